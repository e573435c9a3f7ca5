"""The folder of a survey: what the run is, its plan, and the parts, each there wholly or not at all.

`part-000017.parquet` holds the images of line 17 of the plan. What begins with an underscore is not data, as readers of Parquet
folders have it. One process at a time works in a folder.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from backend.lock import locked
from backend.survey.plan import read_plan, write_plan
from sync.sources.collection import Span

__all__ = ["SurveyError", "SurveyFolder", "open_folder"]

RUN, PLAN = "_run.json", "_plan.jsonl.gz"
UNFINISHED = ".unfinished-"
_PART = re.compile(r"part-(\d{6,})\.parquet")


class SurveyError(RuntimeError):
    """A survey that cannot be begun or gone on with; the message is one sentence."""


class SurveyFolder:
    """The folder of one run, open.

    Attributes
    ----------
    path : Path
    parts, images : int
        Of the plan.
    """

    def __init__(self, path: Path, *, parts: int, images: int) -> None:
        self.path = path
        self.parts = parts
        self.images = images

    def done(self) -> set[int]:
        """Numbers of the parts that are there."""
        names = (_PART.fullmatch(name) for name in os.listdir(self.path))
        return {int(name[1]) for name in names if name}

    def waiting(self, done: set[int]) -> Iterator[tuple[int, list[Span]]]:
        """Number and images of each part but those that are done."""
        return read_plan(self.path / PLAN, without=done)

    def put(self, number: int, content: bytes) -> None:
        """Write a part.

        Raises
        ------
        OSError
            If the disk is full, or goes away.
        """
        with tempfile.NamedTemporaryFile(dir=self.path, prefix=UNFINISHED, delete=False) as unfinished:
            unfinished.write(content)
            unfinished.flush()
            os.fsync(unfinished.fileno())
        os.chmod(unfinished.name, 0o644)  # as any other file, and not for this user alone
        os.replace(unfinished.name, self.path / f"part-{number:06d}.parquet")


@contextmanager
def open_folder(path: Path, run: Mapping[str, Any], plan: Iterable[list[Span]]) -> Iterator[SurveyFolder]:
    """Open the folder of a run: a new or empty one, or the one where the same run was broken off.

    Parameters
    ----------
    run : mapping
        All that decides what stands in the parts, as JSON.
    plan : iterable of list of Span
        The images of each part; asked for where the folder has no plan yet.

    Raises
    ------
    SurveyError
        If the folder is another run's, or another process works in it.
    OSError
        If it cannot be written.
    """
    if path.exists() and not path.is_dir():
        raise SurveyError(f"{path} is a file: name a folder for the output")
    path.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        try:
            held.enter_context(locked(path, wait=False))
        except BlockingIOError as error:
            raise SurveyError(f"another process works in {path}: wait for it, or name another folder") from error
        known = _known(path)
        if known is not None and any(_PART.fullmatch(name) for name in os.listdir(path)):
            _compare(path, known, run)
        elif known is None or any(known.get(name) != value for name, value in run.items()):
            if any(not name.startswith(("_", ".")) for name in os.listdir(path)):
                raise SurveyError(f"{path} holds files that are no survey's: name a new folder")
            parts, images = write_plan(path / PLAN, plan)
            known = {**run, "parts": parts, "images": images}
            _write(path / RUN, known)
        for left_over in path.glob(f"{UNFINISHED}*"):
            left_over.unlink()
        yield SurveyFolder(path, parts=known["parts"], images=known["images"])


def _known(path: Path) -> dict[str, Any] | None:
    try:
        known: dict[str, Any] = json.loads((path / RUN).read_text())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise SurveyError(f"{path / RUN} is damaged: name a new folder") from error
    return known


def _compare(path: Path, known: Mapping[str, Any], run: Mapping[str, Any]) -> None:
    for name, value in run.items():
        if known.get(name) != value:
            raise SurveyError(
                f"{path} holds the parts of another run: its {name.replace('_', ' ')} is {known.get(name)!r} "
                f"and not {value!r}; name another folder"
            )


def _write(file: Path, run: Mapping[str, Any]) -> None:
    unfinished = file.with_name(f"{UNFINISHED}{file.name}")
    unfinished.write_text(json.dumps(run, indent=1) + "\n")
    os.replace(unfinished, file)

"""The folder of a survey: what the run is, its plan, and the parts, each there wholly or not at all.

`part-000017.parquet` holds the images of line 17 of the plan. What begins with an underscore is not data, as readers of Parquet
folders have it. One process at a time works in a folder.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from backend.survey.errors import SurveyError
from backend.survey.plan import read_plan, write_plan
from sync.files.atomic import UNFINISHED, atomic_write
from sync.files.lock import locked
from sync.importing.inputs.collection import Span

__all__ = ["SurveyFolder", "begun_run", "open_folder"]

RUN, PLAN = "_run.json", "_plan.jsonl.gz"
_PART = re.compile(r"part-(\d{6,})\.parquet")


class SurveyFolder:
    """The folder of one run, open.

    Attributes
    ----------
    path : Path
    run : mapping
        What it is, as it was written down when it was begun.
    parts, images : int
        Of the plan.
    """

    def __init__(self, path: Path, run: Mapping[str, Any]) -> None:
        self.path = path
        self.run = run
        self.parts = int(run["parts"])
        self.images = int(run["images"])

    def done(self) -> set[int]:
        """Numbers of the parts that are there."""
        names = (_PART.fullmatch(name) for name in os.listdir(self.path))
        return {int(name[1]) for name in names if name}

    def waiting(self, done: set[int]) -> Iterator[tuple[int, list[Span]]]:
        """Number and images of each part but those that are done."""
        return read_plan(self.path / PLAN, parts=self.parts, without=done)

    def put(self, number: int, content: bytes) -> None:
        """Write a part.

        Raises
        ------
        OSError
            If the disk is full, or goes away.
        """
        with atomic_write(self.path / f"part-{number:06d}.parquet") as part:
            part.write(content)


def begun_run(path: Path) -> dict[str, Any] | None:
    """What the run is whose parts stand in a folder; None where there are none.

    Raises
    ------
    SurveyError
        If that is damaged.
    """
    return _known(path) if path.is_dir() and _has_parts(path) else None


@contextmanager
def open_folder(
    path: Path, run: Mapping[str, Any], plan: Iterable[list[Span]], *, kept: Mapping[str, Any]
) -> Iterator[SurveyFolder]:
    """Open the folder of a run: a new or empty one, or the one where the same run was broken off.

    Parameters
    ----------
    run : mapping
        All that decides what stands in the parts, as JSON.
    plan : iterable of list of Span
        The images of each part; asked for where the folder has no plan yet.
    kept : mapping
        What else is written down with a new run, to go on with.

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
        if known is not None and _has_parts(path):
            _compare(path, known, run)
        elif known is None or any(known.get(name) != value for name, value in run.items()):
            if any(not name.startswith(("_", ".")) for name in os.listdir(path)):
                raise SurveyError(f"{path} holds files that are no survey's: name a new folder")
            parts, images = write_plan(path / PLAN, plan)
            known = {**run, **kept, "parts": parts, "images": images}
            with atomic_write(path / RUN) as file:
                file.write((json.dumps(known, indent=1) + "\n").encode())
        for left_over in path.glob(f"{UNFINISHED}*"):
            left_over.unlink()
        yield SurveyFolder(path, known)


def _has_parts(path: Path) -> bool:
    return any(_PART.fullmatch(name) for name in os.listdir(path))


def _known(path: Path) -> dict[str, Any] | None:
    try:
        known = json.loads((path / RUN).read_text())
    except FileNotFoundError:
        return None
    except ValueError:
        known = None
    if not isinstance(known, dict) or not {"parts", "images"} <= known.keys():
        raise SurveyError(f"{path / RUN} is damaged: name a new folder")
    return known


def _compare(path: Path, known: Mapping[str, Any], run: Mapping[str, Any]) -> None:
    for name, value in run.items():
        if known.get(name) != value:
            raise SurveyError(
                f"{path} holds the parts of another run: its {name.replace('_', ' ')} is {known.get(name)!r} "
                f"and not {value!r}; name another folder"
            )

"""The output folder of a survey: the description of the run, its plan, and the parts, each written atomically.

`part-000017.parquet` holds the images of line 17 of the plan. Readers of Parquet folders skip names that begin with an
underscore. One process at a time works in a folder.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from backend.survey.errors import SurveyError
from backend.survey.plan import read_plan, write_plan
from sync.files.atomic import UNFINISHED, atomic_write
from sync.files.lock import hold_lock
from sync.importing.inputs.collection import Span

__all__ = ["SurveyFolder", "open_folder", "read_begun_run"]

RUN, PLAN = "_run.json", "_plan.jsonl.gz"
COUNTS = frozenset({"parts", "images"})
"""Values of the plan in the description of a stored run."""
_PART = re.compile(r"part-(\d{6,})\.parquet")


class SurveyFolder:
    """The open folder of one run.

    Attributes
    ----------
    path : Path
    run : mapping
        Description of the run, as written at its start.
    parts, images : int
        Numbers of parts and images in the plan.
    """

    def __init__(self, path: Path, run: Mapping[str, Any]) -> None:
        self.path = path
        self.run = run
        self.parts = int(run["parts"])
        self.images = int(run["images"])

    def finished_parts(self) -> set[int]:
        """Return the numbers of the finished parts."""
        names = (_PART.fullmatch(name) for name in os.listdir(self.path))
        return {int(name[1]) for name in names if name}

    def part_path(self, number: int) -> Path:
        """Return the path of a part."""
        return self.path / f"part-{number:06d}.parquet"

    def missing_parts(self, finished_parts: set[int]) -> Iterator[tuple[int, list[Span]]]:
        """Yield number and images of each part that is not in `finished_parts`."""
        return read_plan(self.path / PLAN, parts=self.parts, without=finished_parts)

    def write_part(self, number: int, content: bytes) -> None:
        """Write a part atomically.

        Raises
        ------
        OSError
            If the disk is full or unavailable.
        """
        with atomic_write(self.part_path(number)) as part:
            part.write(content)


def read_begun_run(path: Path) -> dict[str, Any] | None:
    """Read the description of the run whose parts are in a folder; None if it has no parts.

    Raises
    ------
    SurveyError
        If the description is damaged.
    """
    return _read_run(path) if path.is_dir() and _has_parts(path) else None


@contextmanager
def open_folder(
    path: Path, run: Mapping[str, Any], plan: Iterable[list[Span]], *, state: Mapping[str, Any]
) -> Iterator[SurveyFolder]:
    """Open the folder of a run: a new or empty one, or one in which the same run was interrupted.

    Parameters
    ----------
    run : mapping
        Everything that determines the content of the parts, as JSON.
    plan : iterable of list of Span
        Images of each part; read only if the folder has no plan yet.
    state : mapping
        Further values that are written with a new run and needed to continue it.

    Raises
    ------
    SurveyError
        If the folder belongs to another run, or another process works in it.
    OSError
        If the folder cannot be written.
    """
    if path.exists() and not path.is_dir():
        raise SurveyError(f"{path} is a file: name a folder for the output")
    path.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        try:
            stack.enter_context(hold_lock(path, wait=False))
        except BlockingIOError as error:
            raise SurveyError(f"another process works in {path}: wait for it, or name another folder") from error
        stored_run = _read_run(path)
        if stored_run is not None and _has_parts(path):
            _check_same_run(path, stored_run, run, names=stored_run.keys() - state.keys() - COUNTS)
        elif stored_run is None or any(stored_run.get(name) != value for name, value in run.items()):
            if any(not name.startswith(("_", ".")) for name in os.listdir(path)):
                raise SurveyError(f"{path} holds files that do not belong to a survey: name a new folder")
            parts, images = write_plan(path / PLAN, plan)
            stored_run = {**run, **state, "parts": parts, "images": images}
            with atomic_write(path / RUN) as file:
                file.write((json.dumps(stored_run, indent=1) + "\n").encode())
        for left_over in path.glob(f"{UNFINISHED}*"):
            left_over.unlink()
        yield SurveyFolder(path, stored_run)


def _has_parts(path: Path) -> bool:
    return any(_PART.fullmatch(name) for name in os.listdir(path))


def _read_run(path: Path) -> dict[str, Any] | None:
    try:
        stored_run = json.loads((path / RUN).read_text())
    except FileNotFoundError:
        return None
    except ValueError:
        stored_run = None
    if not isinstance(stored_run, dict) or not stored_run.keys() >= COUNTS:
        raise SurveyError(f"{path / RUN} is damaged: name a new folder")
    return stored_run


def _check_same_run(path: Path, stored_run: Mapping[str, Any], run: Mapping[str, Any], *, names: Set[str]) -> None:
    """Compare two descriptions; `names` are those of the stored one, which may have values that the other one lacks."""
    for name in [*run, *sorted(names - run.keys())]:
        if stored_run.get(name) != run.get(name):
            raise SurveyError(
                f"{path} holds the parts of another run: its {name.replace('_', ' ')} is {stored_run.get(name)!r} "
                f"and not {run.get(name)!r}; name another folder"
            )

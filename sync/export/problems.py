"""The file `problems.csv` of a data set: one row for each item that was left out or changed, with the reason."""

from __future__ import annotations

import csv
from pathlib import Path
from types import TracebackType
from typing import Self

from sync.export.texts import safe_cell

__all__ = ["PROBLEMS_FILE", "Problems"]

PROBLEMS_FILE = "problems.csv"


class Problems:
    """Writes the list of problems; a context manager. Without a problem it deletes the file at the end.

    Parameters
    ----------
    folder : Path
        Folder of the data set.

    Attributes
    ----------
    count : int
        Number of rows.
    first : str
        The first reason; empty if there is none.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / PROBLEMS_FILE
        self.count = 0
        self.first = ""

    def __enter__(self) -> Self:
        self._file = self._path.open("w", newline="", encoding="utf-8", errors="backslashreplace")
        self._rows = csv.writer(self._file)
        self._rows.writerow(["task", "annotation", "region", "reason"])
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()
        if not self.count:
            self._path.unlink()

    def add(self, reason: str, *, task: object, annotation: object = None, region: object = None) -> None:
        """Add one row.

        Parameters
        ----------
        reason : str
            One sentence.
        task, annotation : int or None
            Their numbers; None if the problem concerns no single task or annotation.
        region : str or None
            Id of the region; None if the problem concerns no single region.
        """
        self._rows.writerow([safe_cell(cell) for cell in (task, annotation, region, reason)])
        self.count += 1
        self.first = self.first or reason

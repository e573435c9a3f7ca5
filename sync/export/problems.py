"""The list `problems.csv` beside the data: one row for each thing that was left out or changed, with the reason."""

from __future__ import annotations

import csv
from pathlib import Path
from types import TracebackType
from typing import Self

from sync.export.texts import safe_cell

__all__ = ["PROBLEMS_FILE", "Problems"]

PROBLEMS_FILE = "problems.csv"


class Problems:
    """Writes the list; a context manager. Where there was nothing to list, no file is left.

    Attributes
    ----------
    count : int
        Rows so far.
    first : str
        The first reason; empty where there is none.
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
        """List one thing.

        Parameters
        ----------
        reason : str
            One sentence.
        task, annotation : number, or None where there is none
        region : str or None
        """
        self._rows.writerow([safe_cell(cell) for cell in (task, annotation, region, reason)])
        self.count += 1
        self.first = self.first or reason

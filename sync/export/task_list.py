"""The list of images of a data set, `tasks.csv`: the task and file of each image, and the columns of the task's data.

With this list a data set can be joined to a catalogue or to a folder of files by any column, also if the format has no columns.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from sync.export.data_columns import DataColumn, content_of, data_row, name_columns, original_name
from sync.export.image_files import ImageFile, name_of
from sync.export.records import Record
from sync.export.texts import safe_cell

__all__ = ["TASKS_FILE", "TaskList"]

TASKS_FILE = "tasks.csv"

_OWN = ("task", "image_name", "page", "split", "file_name", "original_file_name", "content_id", "width", "height")


class TaskList:
    """Writes the list; a context manager.

    Parameters
    ----------
    folder : Path
        Folder of the data set.
    columns : sequence of DataColumn
        Columns of the tasks' data.
    format : str
        A key of `FORMATS`.
    """

    def __init__(self, folder: Path, columns: Sequence[DataColumn], *, format: str) -> None:
        self._path = folder / TASKS_FILE
        self._columns = name_columns(columns, reserved_names=_OWN)
        self._format = format

    def __enter__(self) -> Self:
        self._file = self._path.open("w", newline="", encoding="utf-8", errors="backslashreplace")
        self._rows = csv.writer(self._file)
        self._rows.writerow([safe_cell(name) for name in (*_OWN, *self._columns)])
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def add(self, record: Record) -> None:
        """Add the row of a record."""
        image_name, page = record.image or (None, None)
        width, height = record.size or (None, None)
        place = (record.task, image_name, page, record.split, self._file_name(record))
        own_cells = (*place, original_name(record), content_of(record), width, height)
        self._rows.writerow([safe_cell(cell) for cell in (*own_cells, *data_row(self._columns.values(), record))])

    def _file_name(self, record: Record) -> str:
        """Return the name of the record's file in the data set; empty if it has none."""
        if self._format == "fits":
            return name_of(record, ".fits.gz")
        return name_of(record, record.image_file.suffix) if isinstance(record.image_file, ImageFile) else ""

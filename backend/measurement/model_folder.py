"""The folder of the models of measured objects: a FITS file for each object, and sheets of many objects."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from backend.measurement.sheet import OBJECTS_A_SHEET, SheetRow, draw_sheet
from backend.measurement.worker import MeasuredStamp
from sync.files.atomic import unsynced_write

__all__ = ["ModelFolder"]


class ModelFolder:
    """Writes models as they are finished.

    Parameters
    ----------
    path : Path
        Created if it does not exist; files of the same names are replaced.

    Raises
    ------
    OSError
        If the folder cannot be written.
    """

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._names: set[str] = set()
        self._rows: list[SheetRow] = []
        self._sheets = 0

    def add(self, stamps: Sequence[MeasuredStamp]) -> None:
        """Write the models of a file, and each sheet that they complete."""
        for stamp in stamps:
            self._write(self._free_name(stamp.name) + ".fits", stamp.content)
            self._rows.append(stamp.row)
            if len(self._rows) == OBJECTS_A_SHEET:
                self._flush()

    def close(self) -> None:
        """Write the last sheet."""
        if self._rows:
            self._flush()

    def _flush(self) -> None:
        self._sheets += 1
        self._write(f"sheet-{self._sheets:04d}.png", draw_sheet(self._rows))
        self._rows = []

    def _free_name(self, name: str) -> str:
        """Return a name that no other object of this run has: files of several folders may have the same name."""
        number, free = 1, name
        while free in self._names:
            number += 1
            free = f"{name}-{number}"
        self._names.add(free)
        return free

    def _write(self, name: str, content: bytes) -> None:
        with unsynced_write(self._path / name) as file:
            file.write(content)

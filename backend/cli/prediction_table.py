"""CSV of predictions: one row per image, with the probability of each class, the value of each number and counts of objects."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from backend.prediction.rows import ImageRows

__all__ = ["PredictionTable"]


class PredictionTable:
    """Writes the rows of images to a CSV file.

    The first readable image determines the columns: `file`, `version`, `width` and `height`, then for each control
    `CONTROL:LABEL` (the probability of a label), `CONTROL:value` and `CONTROL:deviation` (a number), or `CONTROL:objects`
    (their count).

    Parameters
    ----------
    file : binary file
    version : str
        Name of the version that predicts.
    """

    def __init__(self, file: IO[bytes], version: str) -> None:
        self._file = io.TextIOWrapper(file, "utf-8", newline="", write_through=True)
        self._version = version
        self._writer: csv.DictWriter[str] | None = None
        self._waiting: list[dict[str, Any]] = []

    def write(self, path: str, rows: ImageRows) -> None:
        """Write the row of one image."""
        from sync.export.texts import safe_cell  # imported on use: it imports astropy

        features, controls = rows
        height, width = ("", "") if features.image is None else features.image.pixels.shape[:2]
        row: dict[str, Any] = {"file": safe_cell(path), "version": self._version, "width": width, "height": height}
        for control, (value, _) in controls.items():
            row |= _flatten(control, value)
        self._waiting.append(row)
        if self._writer is not None or features.image is not None:
            self._write_waiting()

    def _write_waiting(self) -> None:
        """Write the rows that wait for the columns; the row of an unreadable image has none of the controls of objects."""
        if self._writer is None:
            fullest = max(self._waiting, key=len)
            self._writer = csv.DictWriter(self._file, list(fullest), restval="", lineterminator="\n")
            self._writer.writeheader()
        self._writer.writerows(self._waiting)
        self._waiting = []

    def close(self) -> None:
        """Write waiting rows and flush the text; the binary file stays open."""
        if self._waiting:
            self._write_waiting()
        self._file.detach()


def _flatten(control: str, value: dict[str, float | None] | Sequence[Any] | None) -> dict[str, Any]:
    if value is None:  # a quantity that could not be measured
        return {f"{control}:value": "", f"{control}:deviation": ""}
    if isinstance(value, dict):
        return {f"{control}:{name}": "" if number is None else f"{number:.6g}" for name, number in value.items()}
    return {f"{control}:objects": len(value)}

"""CSV of predictions: one row per image, with its classes and numbers, what they were predicted from, and counts of objects."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from backend.prediction.control_models.results import ControlRow
    from backend.prediction.rows import ImageRows

__all__ = ["PredictionTable"]


class PredictionTable:
    """Writes the rows of images to a CSV file.

    The first readable image determines the columns: `file`, `version`, `width` and `height`, then for each control
    `CONTROL:LABEL` (the probability of a label), `CONTROL:value` and `CONTROL:deviation` (a number), or `CONTROL:objects`
    (their count). Numbers that are a known quantity have its unit as `CONTROL unit`. Classes and numbers also have
    `CONTROL inputs`, such as ``image and catalogue columns``, and `CONTROL missing`, why inputs are missing.

    Parameters
    ----------
    file : binary file
    version : str
        Name of the version that predicts.
    units : mapping
        Name of a control to the unit of its number; without the controls whose numbers have none.
    """

    def __init__(self, file: IO[bytes], version: str, units: Mapping[str, str]) -> None:
        self._file = io.TextIOWrapper(file, "utf-8", newline="", write_through=True)
        self._version = version
        self._units = units
        self._writer: csv.DictWriter[str] | None = None
        self._waiting: list[dict[str, Any]] = []

    def write(self, path: str, rows: ImageRows) -> None:
        """Write the row of one image."""
        from sync.export.texts import safe_cell  # imported on use: it imports astropy

        features, controls = rows
        height, width = ("", "") if features.image is None else features.image.pixels.shape[:2]
        row: dict[str, Any] = {"file": safe_cell(path), "version": self._version, "width": width, "height": height}
        for control, prediction in controls.items():
            row |= _flatten(control, prediction, self._units.get(control, ""))
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


def _flatten(control: str, prediction: ControlRow, unit: str) -> dict[str, Any]:
    from backend.heads.feature_blocks import join_inputs  # imported on use, as the next one: they import numpy and astropy
    from sync.export.texts import safe_cell

    if not isinstance(prediction.value, dict):
        return {f"{control}:objects": len(prediction.value)}
    numbers = {f"{control}:{name}": "" if number is None else f"{number:.6g}" for name, number in prediction.value.items()}
    missing = safe_cell(prediction.missing)  # reasons repeat names of columns and files, which a spreadsheet must not compute
    inputs = join_inputs(prediction.inputs) or ("the mean of the labels" if prediction.has_value else "")
    if unit:
        numbers[f"{control} unit"] = unit
    return numbers | {f"{control} inputs": inputs, f"{control} missing": missing}

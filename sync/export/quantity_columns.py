"""Columns of the physical quantities that a project's Number controls hold, each with a column of its error.

A catalogue has a row per answer and a row per object. The number of a galaxy stands in the row of its answer and in the row of
the object in the middle of the image, which is the object that the number describes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from sync.controls.number_meta import predicted_error
from sync.export.drawn_objects import DrawnObject
from sync.export.records import Answer, Record
from sync.labelling.config import LabelConfig
from sync.labelling.quantities import Quantity, quantity_of

__all__ = ["QuantityColumn", "central_object", "quantity_cells", "quantity_columns"]

ERROR = "_err"


@dataclass(frozen=True, slots=True)
class QuantityColumn:
    """The columns of one quantity.

    Attributes
    ----------
    name : str
        Name of the column of the values; that of the errors has the suffix `_err`.
    control : str
        Name of the control that holds the quantity.
    quantity : Quantity
    """

    name: str
    control: str
    quantity: Quantity

    @property
    def error_name(self) -> str:
        """Name of the column of the errors."""
        return self.name + ERROR


def quantity_columns(config: LabelConfig, *, reserved_names: Collection[str]) -> tuple[QuantityColumn, ...]:
    """Return the columns of a labelling config: of several controls with the same quantity, the first has the column.

    Parameters
    ----------
    config : LabelConfig
    reserved_names : collection of str
        Names of the catalogue's own columns, such as `axis_ratio` of the drawn shape; a quantity with such a name is called
        `measured_<name>`.
    """
    columns: dict[str, QuantityColumn] = {}
    for control in config.controls:
        quantity = quantity_of(control)
        if quantity is not None:
            name = f"measured_{quantity.name}" if quantity.name in reserved_names else quantity.name
            columns.setdefault(name, QuantityColumn(name, control.name, quantity))
    return tuple(columns.values())


def quantity_cells(columns: Sequence[QuantityColumn], answers: Sequence[Answer]) -> list[float]:
    """Return value and error of each column, NaN where missing; of several answers to a control, the first counts."""
    cells = []
    for column in columns:
        answer = next((each for each in answers if each.control == column.control and each.number is not None), None)
        error = None if answer is None else predicted_error(answer.region)
        cells += [np.nan if answer is None or answer.number is None else answer.number, np.nan if error is None else error]
    return cells


def central_object(record: Record) -> DrawnObject | None:
    """Return the object in the middle of an image: the smallest whose box covers it, else the nearest; None without objects."""
    boxes = [(obj, box) for obj in record.objects if (box := obj.box()) is not None]
    if not boxes:
        return None
    x, y = boxes[0][0].size[0] / 2, boxes[0][0].size[1] / 2

    def rank(index: int) -> tuple[float, float]:
        box = boxes[index][1]
        away = np.hypot(max(box.x - x, 0, x - box.x - box.width), max(box.y - y, 0, y - box.y - box.height))
        return float(away), box.width * box.height

    return boxes[min(range(len(boxes)), key=rank)][0]

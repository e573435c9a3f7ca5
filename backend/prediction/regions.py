"""Convert an object's mask to regions of a project's control for objects."""

from __future__ import annotations

from typing import Any

from sync.controls import OBJECTS
from sync.controls.control import Control
from sync.geometry.shapes import Mask

__all__ = ["regions_of_mask"]


def regions_of_mask(mask: Mask, *, control: Control, label: str, score: float) -> list[dict[str, Any]]:
    """Encode a mask as regions of a control.

    Parameters
    ----------
    mask : ndarray of bool, shape (height, width)
    control : Control
        A control of objects.
    label : str
    score : float
        Between 0 and 1.

    Returns
    -------
    list of dict
        Empty for an empty mask.
    """
    if not mask.any():
        return []
    size = (mask.shape[1], mask.shape[0])
    return OBJECTS[control.tag].encode_mask(mask, control=control, label=label, score=score, size=size)

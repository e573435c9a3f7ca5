"""Decoding of a predicted region and its submitted counterpart in the same pixels, for comparison."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from sync.controls import CONTROLS, SHAPES, TAG_OF_TYPE
from sync.controls.region import ANY_SIZE, Region, read_size
from sync.errors.controls import ControlError
from sync.geometry.shapes import Size

__all__ = ["decoder"]


def decoder(prediction: Mapping[str, Any], submission: Mapping[str, Any]) -> Callable[[Region], Any]:
    """Return the function that decodes both regions, chosen by the type of the predicted one.

    Predictions state the image's own size; submitted regions of annotators and scripts may state no size or another one. If
    neither region states a size, percentages are decoded at `ANY_SIZE`.

    Raises
    ------
    ControlError
        If there is no codec for the type.
    """
    kind = str(prediction.get("type")).lower()
    tag = TAG_OF_TYPE.get(kind)
    if tag is None:
        raise ControlError(f"regions of type {kind!r} cannot be decoded")
    decode = CONTROLS[tag].decode
    if tag in SHAPES:
        return partial(decode, size=_stated_size(prediction) or _stated_size(submission) or ANY_SIZE)
    return decode


def _stated_size(region: Mapping[str, Any]) -> Size | None:
    try:
        return read_size(region)
    except ControlError:
        return None

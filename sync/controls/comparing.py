"""Decoding a region as it was predicted and as it was submitted, in the same pixels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from sync.controls import CONTROLS
from sync.controls.region import Region, read_size
from sync.errors.controls import ControlError
from sync.geometry.shapes import Size

__all__ = ["decoder"]

ANY_SIZE: Size = (1000, 1000)
"""Where neither region states a size, which both are percentages of."""
_ANSWERS = ("choices", "taxonomy", "number")


def decoder(predicted: Mapping[str, Any], submitted: Mapping[str, Any]) -> Callable[[Region], Any]:
    """Return what decodes both regions, of the predicted one's type.

    Predictions state the picture's own size; what people and scripts submit may state none, or another.

    Raises
    ------
    ControlError
        If regions of this type cannot be decoded.
    """
    kind = str(predicted.get("type")).lower()
    codec = next((codec for tag, codec in CONTROLS.items() if tag.lower() == kind), None)
    if codec is None:
        raise ControlError(f"regions of type {kind!r} cannot be decoded")
    if kind in _ANSWERS:
        return codec.decode
    return partial(codec.decode, size=_stated(predicted) or _stated(submitted) or ANY_SIZE)


def _stated(region: Mapping[str, Any]) -> Size | None:
    try:
        return read_size(region)
    except ControlError:
        return None

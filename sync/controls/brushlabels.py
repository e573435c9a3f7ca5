"""`<BrushLabels>`: masks, one a region, run-length encoded."""

from __future__ import annotations

import numpy as np

from sync.controls import rle
from sync.controls.errors import ControlError
from sync.controls.region import (
    Region,
    check_size,
    new_region,
    quote,
    read_labels,
    read_size,
    read_value,
    write_labels,
)
from sync.controls.shapes import Labelled, Mask, Size
from sync.labelconfig import Control

__all__ = ["decode", "encode"]

TAG = "BrushLabels"


def encode(mask: Mask, *, control: Control, label: str, size: Size, score: float | None = None) -> Region:
    """Return the region of a mask.

    Parameters
    ----------
    mask : ndarray of bool, shape (height, width)
    size : (width, height)
        Of the image, pixels.

    Raises
    ------
    ControlError
        If the mask is empty, not boolean, or of another shape than the image.
    """
    width, height = check_size(size)
    if mask.dtype != np.bool_ or mask.shape != (height, width):
        raise ControlError(
            f"a mask of an image of {width}x{height} pixels must be boolean of shape {(height, width)}, "
            f"not {mask.dtype} of shape {mask.shape}"
        )
    if not mask.any():
        raise ControlError(f"a mask for {control.name!r} has no pixel inside")
    value = {"format": "rle", "rle": rle.encode(mask), "brushlabels": write_labels([label], control)}
    return new_region(control, TAG, value, score=score, size=size)


def decode(region: Region) -> Labelled[Mask]:
    """Return the mask of an annotation."""
    value = read_value(region, TAG)
    if value.get("format") != "rle":
        raise ControlError(f"a brush mask must have the format 'rle', not {quote(value.get('format'))}")
    labels = read_labels(value, TAG)
    size = read_size(region)
    return Labelled(shape=rle.decode(value.get("rle"), size=size), labels=labels, size=size)  # type: ignore[arg-type]

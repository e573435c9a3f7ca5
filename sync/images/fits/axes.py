"""The axes of a FITS image: which two are the picture's, which is that of colours, and what the planes are.

FITS says with ``CTYPEn = 'RGB'`` that an axis holds red, green and blue; some programs write colours as the first axis, as
PNG and numpy have them, without a word.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from astropy.io.fits import Header, VerifyError
from numpy.typing import NDArray

from sync.errors.images import DAMAGE
from sync.errors.sky import SkyError
from sync.sky.cards import UNREADABLE, Axes, celestial_axes, planar_cards, sky_cards

__all__ = ["colour_axis", "plane_axes", "plane_header", "planes_first"]

COLOURS = (3, 4)
"""Lengths of an axis of colours: red, green, blue, and transparency."""
DECLARED = ("RGB", "RGBA", "COLOR", "COLOUR")
CELESTIAL = ("RA--", "DEC-", "GLON", "GLAT", "ELON", "ELAT")
SMALLEST_PICTURE_PX = 5
"""Of a side: (3, 4, 4) has no axis that is surely one of colours."""


def colour_axis(shape: Sequence[int], header: Header) -> int | None:
    """Return the axis of colours in numpy's order, None where there is none.

    That is the one that the header calls so, or the last of an image whose pixels are stored colour by colour.
    """
    for axis in range(len(shape)):
        if shape[axis] in COLOURS and ctype(header, len(shape) - axis) in DECLARED:
            return axis
    wide = [axis for axis in range(len(shape)) if shape[axis] > 1]
    if len(wide) != 3 or shape[wide[2]] not in COLOURS or min(shape[wide[0]], shape[wide[1]]) < SMALLEST_PICTURE_PX:
        return None
    slowest = ctype(header, len(shape) - wide[0])
    is_spectrum = slowest and not slowest.startswith(CELESTIAL)
    return None if is_spectrum or ctype(header, len(shape) - wide[2]) else wide[2]


def plane_axes(shape: Sequence[int], header: Header) -> tuple[int, int]:
    """Return the axes of rows and columns in numpy's order: those of the sky, else the last two.

    Axes of colours and of one pixel do not count.
    """
    if (celestial := _sky_axes(shape, header)) is not None:
        return celestial
    colours = colour_axis(shape, header)
    axes = [axis for axis in range(len(shape)) if axis != colours]
    wide = [axis for axis in axes if shape[axis] > 1]
    last = len(shape) - 1
    if len(wide) == 2 and last not in wide and last != colours and not ctype(header, 1):
        axes = wide
    return axes[-2], axes[-1]


def _sky_axes(shape: Sequence[int], header: Header) -> tuple[int, int] | None:
    """Rows and columns on the sky, where the header names two such axes of more than one pixel."""
    if not any(ctype(header, axis + 1).startswith(CELESTIAL) for axis in range(2, len(shape))):
        return None  # as nearly all files: the first two axes
    try:
        axes = celestial_axes({f"CTYPE{axis + 1}": ctype(header, axis + 1) for axis in range(len(shape))})
    except SkyError:
        return None
    rows, columns = len(shape) - axes.second, len(shape) - axes.first
    return (rows, columns) if shape[rows] > 1 and shape[columns] > 1 else None


def planes_first(data: NDArray[Any], header: Header) -> NDArray[Any]:
    """Return the planes of an image, shape (n, height, width), those of colours as red, green, blue (and transparency)."""
    rows, columns = plane_axes(data.shape, header)
    moved = np.moveaxis(data, (rows, columns), (-2, -1))
    return moved.reshape(-1, *moved.shape[-2:])


def plane_header(header: Header, shape: Sequence[int]) -> Header:
    """Return the header of a plane: the first axis is that of columns and the second that of rows, whatever they were."""
    rows, columns = plane_axes(shape, header)
    first, second = len(shape) - columns, len(shape) - rows
    if (first, second) == (1, 2):
        return header
    turned = header.copy()
    cards = sky_cards(header)
    for name in cards:
        turned.remove(name, ignore_missing=True, remove_all=True)
    with contextlib.suppress(SkyError):  # an image without a place can be shown
        turned.update(
            {name: value for name, value in planar_cards(cards, Axes(first, second, first)).items() if value != UNREADABLE}
        )
    turned["NAXIS1"], turned["NAXIS2"] = shape[columns], shape[rows]
    return turned


def ctype(header: Header, axis: int) -> str:
    """The type of an axis as FITS counts it, from 1; empty where there is none."""
    try:
        value = header.get(f"CTYPE{axis}", "")
    except (VerifyError, *DAMAGE):
        return ""
    return value.strip().upper() if isinstance(value, str) else ""

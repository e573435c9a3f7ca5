"""Axes of a FITS image: rows, columns, the axis of colours, and the planes.

In FITS, ``CTYPEn = 'RGB'`` declares an axis of red, green and blue. Some programs write colours as the first axis, like PNG and
numpy, without such a card.
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
"""Lengths of an axis of colours: red, green and blue, or these and transparency."""
DECLARED = ("RGB", "RGBA", "COLOR", "COLOUR")
CELESTIAL = ("RA--", "DEC-", "GLON", "GLAT", "ELON", "ELAT")
SMALLEST_IMAGE_PX = 5
"""Smallest side of an image with an undeclared axis of colours; in shape (3, 4, 4), for example, the axis is ambiguous."""


def colour_axis(shape: Sequence[int], header: Header) -> int | None:
    """Return the axis of colours in numpy's order, or None if there is none.

    It is the axis that the header declares, or the last one of an image with interleaved colours.
    """
    for axis in range(len(shape)):
        if shape[axis] in COLOURS and ctype(header, len(shape) - axis) in DECLARED:
            return axis
    wide = [axis for axis in range(len(shape)) if shape[axis] > 1]
    if len(wide) != 3 or shape[wide[2]] not in COLOURS or min(shape[wide[0]], shape[wide[1]]) < SMALLEST_IMAGE_PX:
        return None
    slowest = ctype(header, len(shape) - wide[0])
    is_spectrum = slowest and not slowest.startswith(CELESTIAL)
    return None if is_spectrum or ctype(header, len(shape) - wide[2]) else wide[2]


def plane_axes(shape: Sequence[int], header: Header) -> tuple[int, int]:
    """Return the axes of rows and columns in numpy's order: the celestial axes, else the last two.

    The axis of colours, and in some cases axes of length 1, are skipped.
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
    """Return the axes of rows and columns if the header has two celestial axes of more than one pixel, else None."""
    if not any(ctype(header, axis + 1).startswith(CELESTIAL) for axis in range(2, len(shape))):
        return None  # in nearly all files, the celestial axes are the first two
    try:
        axes = celestial_axes({f"CTYPE{axis + 1}": ctype(header, axis + 1) for axis in range(len(shape))})
    except SkyError:
        return None
    rows, columns = len(shape) - axes.second, len(shape) - axes.first
    return (rows, columns) if shape[rows] > 1 and shape[columns] > 1 else None


def planes_first(data: NDArray[Any], header: Header) -> NDArray[Any]:
    """Return the planes of an image, shape (n, height, width); colours are in the order red, green, blue, transparency."""
    rows, columns = plane_axes(data.shape, header)
    moved_data = np.moveaxis(data, (rows, columns), (-2, -1))
    return moved_data.reshape(-1, *moved_data.shape[-2:])


def plane_header(header: Header, shape: Sequence[int]) -> Header:
    """Return the header of a plane, in which axis 1 is that of columns and axis 2 that of rows."""
    rows, columns = plane_axes(shape, header)
    first, second = len(shape) - columns, len(shape) - rows
    if (first, second) == (1, 2):
        return header
    turned_header = header.copy()
    cards = sky_cards(header)
    for name in cards:
        turned_header.remove(name, ignore_missing=True, remove_all=True)
    with contextlib.suppress(SkyError):  # an image without coordinates can be displayed
        turned_header.update(
            {name: value for name, value in planar_cards(cards, Axes(first, second, first)).items() if value != UNREADABLE}
        )
    turned_header["NAXIS1"], turned_header["NAXIS2"] = shape[columns], shape[rows]
    return turned_header


def ctype(header: Header, axis: int) -> str:
    """Return the CTYPE of an axis, counted from 1 as in FITS, in upper case; empty if there is none."""
    try:
        value = header.get(f"CTYPE{axis}", "")
    except (VerifyError, *DAMAGE):
        return ""
    return value.strip().upper() if isinstance(value, str) else ""

"""Shapes on an image, in its own pixels.

x runs right and y down from the image's top-left corner, in continuous pixel-edge coordinates: an image of width 4
spans x from 0 to 4, and the middle of its first pixel is (0.5, 0.5). Angles are degrees clockwise on the screen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from sync.errors.controls import ControlError, quote

__all__ = ["MAX_PIXELS", "Box", "Ellipse", "Labelled", "Mask", "Point", "Polygon", "Size", "check_size"]

MAX_PIXELS = 100_000_000
"""Larger images are refused everywhere; a byte a pixel is then 100 MB."""

Size = tuple[int, int]
"""(width, height) of an image, pixels."""

Mask = NDArray[np.bool_]
"""Shape (height, width), True inside."""


@dataclass(frozen=True, slots=True)
class Point:
    """A point, pixels."""

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle whose corner (x, y) is its top-left one before it is turned about that corner by `rotation`."""

    x: float
    y: float
    width: float
    height: float
    rotation: float = 0.0


@dataclass(frozen=True, slots=True)
class Ellipse:
    """An ellipse about the centre (x, y), turned about it by `rotation`."""

    x: float
    y: float
    radius_x: float
    radius_y: float
    rotation: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Polygon:
    """One closed outline; a part that is enclosed twice (by a hole's outline) counts as outside.

    Attributes
    ----------
    points : ndarray, shape (n, 2)
        Corners (x, y) in order, the first one not repeated; n >= 3.
    """

    points: NDArray[np.float64]


Shape = TypeVar("Shape", covariant=True)


@dataclass(frozen=True, slots=True, eq=False)
class Labelled(Generic[Shape]):
    """A shape that someone drew, its labels, and the image that it was drawn on.

    Attributes
    ----------
    shape : Point, Box, Ellipse, Polygon or Mask
    labels : tuple of str
        At least one, as the config stores them.
    size : (width, height)
        Of the image in whose pixels the shape is given.
    positive : bool
        False for a prompt that says "not here".
    """

    shape: Shape
    labels: tuple[str, ...]
    size: Size
    positive: bool = True

    @property
    def label(self) -> str:
        """The first label: all there is, unless the control allows several on one region."""
        return self.labels[0]


def check_size(size: Size) -> Size:
    """Return `size` if it can be that of an image, else raise ControlError."""
    width, height = size
    for name, pixels in (("width", width), ("height", height)):
        if isinstance(pixels, bool) or not isinstance(pixels, int | np.integer) or pixels < 1:
            raise ControlError(f"the image's {name} must be a whole number above 0, not {quote(pixels)}")
    if int(width) * int(height) > MAX_PIXELS:
        raise ControlError(f"an image of {width}x{height} pixels is larger than the {MAX_PIXELS} that we read")
    return int(width), int(height)

"""Shapes on an image, in pixels of the image.

x increases to the right and y downwards from the image's top-left corner, in continuous pixel-edge coordinates: an image of
width 4 spans x from 0 to 4, and the centre of its first pixel is (0.5, 0.5). Angles are in degrees, clockwise on the screen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from sync.errors.controls import ControlError, quote

__all__ = ["MAX_CORNERS", "MAX_PIXELS", "Box", "Ellipse", "Labelled", "Mask", "Point", "Polygon", "Size", "check_size"]

MAX_PIXELS = 100_000_000
"""Most pixels of an image; larger images are rejected. At one byte a pixel this is 100 MB."""

MAX_CORNERS = 100_000
"""Most corners of a polygon; polygons with more are rejected."""

Size = tuple[int, int]
"""(width, height) of an image, pixels."""

Mask = NDArray[np.bool_]
"""Boolean array, shape (height, width), True inside the object."""


@dataclass(frozen=True, slots=True)
class Point:
    """A point, pixels."""

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle with its top-left corner at (x, y), pixels, rotated about that corner by `rotation` degrees."""

    x: float
    y: float
    width: float
    height: float
    rotation: float = 0.0


@dataclass(frozen=True, slots=True)
class Ellipse:
    """An ellipse with centre (x, y) and semi-axes in pixels, rotated about the centre by `rotation` degrees."""

    x: float
    y: float
    radius_x: float
    radius_y: float
    rotation: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Polygon:
    """One closed outline, filled by the even-odd rule: an area that is enclosed twice, such as a hole, is outside.

    Attributes
    ----------
    points : ndarray, shape (n, 2)
        Corners (x, y) in order, without repeating the first; n >= 3.
    """

    points: NDArray[np.float64]


Shape = TypeVar("Shape", covariant=True)


@dataclass(frozen=True, slots=True, eq=False)
class Labelled(Generic[Shape]):
    """A shape of an annotation, prediction or prompt, with its labels and the size of its image.

    Attributes
    ----------
    shape : Point, Box, Ellipse, Polygon or Mask
    labels : tuple of str
        Stored names of the labels; at least one.
    size : (width, height)
        Size of the image in whose pixels the shape is given.
    positive : bool
        False for a negative prompt, which marks background.
    """

    shape: Shape
    labels: tuple[str, ...]
    size: Size
    positive: bool = True

    @property
    def label(self) -> str:
        """The first label; it is the only one unless the control allows several labels on one region."""
        return self.labels[0]


def check_size(size: Size) -> Size:
    """Return `size` as integers.

    Raises
    ------
    ControlError
        If a side is not a whole number above 0, or the image has more than `MAX_PIXELS` pixels.
    """
    width, height = size
    for name, pixels in (("width", width), ("height", height)):
        if isinstance(pixels, bool) or not isinstance(pixels, int | np.integer) or pixels < 1:
            raise ControlError(f"the image's {name} must be a whole number above 0, not {quote(pixels)}")
    if int(width) * int(height) > MAX_PIXELS:
        raise ControlError(f"an image of {width}x{height} pixels is larger than the {MAX_PIXELS} that are read")
    return int(width), int(height)

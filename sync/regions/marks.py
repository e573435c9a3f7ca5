"""What a file of regions holds, before it is known which task it belongs to.

A file has *marked images*: names by which the task is found, and what is marked on the image. A *mark* is one object, whose
place may be stated in pixels of the picture, in pixels of the FITS array, in fractions of the picture, or on the sky.
`Mark.draw` places it on a picture. An *answer* is about the whole image, such as its class.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sync.geometry.footprint import Footprint
from sync.geometry.shapes import Box, Ellipse, Point, Polygon, Size
from sync.sky.celestial import CelestialSky

__all__ = ["Answer", "Canvas", "Drawn", "Mark", "MarkedImage", "Problem", "RegionsError", "Shape"]

Shape = Box | Ellipse | Point | Polygon | Footprint


Problem = tuple[str, str]
"""Name of something that is left out, and why."""


class RegionsError(ValueError):
    """A file, or a region in it, that cannot be used; the message is one sentence."""


@dataclass(frozen=True, slots=True, eq=False)
class Canvas:
    """The picture that regions are placed on.

    Attributes
    ----------
    size : (width, height)
        Pixels.
    sky : CelestialSky or None
        Of the FITS array with as many pixels, whose first row is the picture's last; None where the task has no sky.
    """

    size: Size
    sky: CelestialSky | None = None

    def from_array(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return points of the picture for points of the FITS array.

        Parameters
        ----------
        points : ndarray, shape (n, 2)
            (x, y), counted from 0 at the middle of the first pixel, as astropy counts.

        Returns
        -------
        ndarray, shape (n, 2)
            x right and y down from the picture's top-left corner.
        """
        return np.stack([points[:, 0] + 0.5, self.size[1] - (points[:, 1] + 0.5)], axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """A mark on a picture.

    Attributes
    ----------
    shape : Box, Ellipse, Point, Polygon or Footprint
        Pixels of the picture.
    footprint : callable or None
        Gives the pixels that the file's own library says the mark covers; None where the shape alone says it.
    box : Box or None
        That the file states beside the shape.
    """

    shape: Shape
    footprint: Callable[[], Footprint] | None = None
    box: Box | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Mark:
    """One object of a file.

    Attributes
    ----------
    name : str
        What a message calls it, such as ``annotation 12``.
    draw : callable
        Places it on a `Canvas`; raises `RegionsError` or `ControlError`.
    labels : tuple of str
        What the file calls its class; the first that the labelling config has counts.
    may_be_unlabelled : bool
        Whether `labels` are free texts, so that an unknown one is passed over rather than a fault.
    score : float or None
        Of the class, 0 to 1.
    position : (ra, dec) or None
        Of its middle, ICRS degrees, where it is given on the sky.
    control : str
        Name of the control that it was exported from, empty where unknown.
    """

    name: str
    draw: Callable[[Canvas], Drawn]
    labels: tuple[str, ...] = ()
    may_be_unlabelled: bool = False
    score: float | None = None
    position: tuple[float, float] | None = None
    control: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a file says of a whole image.

    Attributes
    ----------
    name : str
        As of a `Mark`.
    control : str
        Name of the control.
    value : str or float
        A class, several classes separated by ``|``, a path with ``/``, or a number.
    score : float or None
    """

    name: str
    control: str
    value: str | float
    score: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class MarkedImage:
    """An image as a file of regions names it.

    Attributes
    ----------
    source : str
        Image in the file: what a message calls it; empty where the file has one.
    names : tuple of str
        File names that it may have; empty where marks are found by their positions alone.
    content_id : str
    task : int or None
        Number of its task.
    position : (ra, dec) or None
        Of the image's middle, or of the galaxy that `answers` are about, ICRS degrees.
    size : (width, height) or None
        That the file states, pixels.
    marks : tuple of Mark
    answers : tuple of Answer
    on_sky : tuple of Mark
        The same marks placed by the sky, for an image that is no task's: a map of which tasks show parts.
    by_place : bool
        Whether each mark belongs to whatever pictures show its position.
    """

    source: str
    names: tuple[str, ...] = ()
    content_id: str = ""
    task: int | None = None
    position: tuple[float, float] | None = None
    size: Size | None = None
    marks: tuple[Mark, ...] = ()
    answers: tuple[Answer, ...] = ()
    on_sky: tuple[Mark, ...] = ()
    by_place: bool = False

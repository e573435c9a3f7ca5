"""Content of a file of regions, before its images are matched to tasks.

A file has *marked images*, each with names for the match and with marks and answers. A *mark* is one object, whose position may
be given in pixels of the displayed image, in pixels of the FITS array, in fractions of the image, or on the sky. `Mark.draw`
places it on an image. An *answer* is about the whole image, such as its class.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sync.geometry.footprint import Footprint
from sync.geometry.shapes import Box, Ellipse, Point, Polygon, Size
from sync.sky.celestial import CelestialSky

__all__ = ["Canvas", "ImportedAnswer", "Mark", "MarkedImage", "PlacedMark", "Problem", "RegionsError", "Shape"]

Shape = Box | Ellipse | Point | Polygon | Footprint


Problem = tuple[str, str]
"""Name of an item that is left out, and the reason."""


class RegionsError(ValueError):
    """A file, or a region in it, that cannot be used; the message is one sentence."""


@dataclass(frozen=True, slots=True, eq=False)
class Canvas:
    """The displayed image that regions are placed on.

    Attributes
    ----------
    size : (width, height)
        Pixels.
    sky : CelestialSky or None
        WCS of the FITS array with the same size, whose first row is the last row of the displayed image; None if the task has
        no WCS.
    """

    size: Size
    sky: CelestialSky | None = None

    def from_array(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Convert points of the FITS array to points of the displayed image.

        Parameters
        ----------
        points : ndarray, shape (n, 2)
            (x, y), pixels, 0 at the centre of the first pixel, as in astropy.

        Returns
        -------
        ndarray, shape (n, 2)
            (x, y), pixels right and down from the top-left corner of the displayed image.
        """
        return np.stack([points[:, 0] + 0.5, self.size[1] - (points[:, 1] + 0.5)], axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class PlacedMark:
    """A mark that is placed on an image.

    Attributes
    ----------
    shape : Box, Ellipse, Point, Polygon or Footprint
        Pixels of the displayed image.
    footprint : callable or None
        Returns the pixels that the mark covers according to the library of the file format; None to rasterise the shape.
    box : Box or None
        Box that the file contains in addition to the shape.
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
        Name in messages, such as ``annotation 12``.
    draw : callable
        Takes a `Canvas` and returns a `PlacedMark`; raises `RegionsError` or `ControlError`.
    labels : tuple of str
        Candidates for its class in the file; the first that the labelling config contains is used.
    may_be_unlabelled : bool
        Whether `labels` are free texts, of which unknown ones are ignored instead of rejected.
    score : float or None
        Score of the class, 0 to 1.
    position : (ra, dec) or None
        Centre, ICRS, degrees, if the file gives sky coordinates.
    control : str
        Name of the control that it was exported from; empty if unknown.
    """

    name: str
    draw: Callable[[Canvas], PlacedMark]
    labels: tuple[str, ...] = ()
    may_be_unlabelled: bool = False
    score: float | None = None
    position: tuple[float, float] | None = None
    control: str = ""


@dataclass(frozen=True, slots=True)
class ImportedAnswer:
    """An answer about a whole image.

    Attributes
    ----------
    name : str
        Name in messages.
    control : str
        Name of the control.
    value : str or float
        A class, several classes separated by ``|``, a path with ``/``, or a number.
    score : float or None
        Score of the answer, 0 to 1.
    """

    name: str
    control: str
    value: str | float
    score: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class MarkedImage:
    """An image in a file of regions.

    Attributes
    ----------
    source : str
        Name of the image in messages; empty if the file has one image.
    names : tuple of str
        Possible file names of the image; empty if it is matched by its position only.
    content_id : str
        Identifier of the image's content; empty if unknown.
    task : int or None
        Number of its task.
    position : (ra, dec) or None
        Position of the image's centre, or of the galaxy that `answers` describe, ICRS, degrees.
    size : (width, height) or None
        Size that the file states, pixels.
    marks : tuple of Mark
    answers : tuple of ImportedAnswer
    on_sky : tuple of Mark
        The same marks with sky coordinates, for a map that is not the image of a task, and of which tasks show parts.
    by_place : bool
        Whether each mark belongs to all images that contain its position.
    """

    source: str
    names: tuple[str, ...] = ()
    content_id: str = ""
    task: int | None = None
    position: tuple[float, float] | None = None
    size: Size | None = None
    marks: tuple[Mark, ...] = ()
    answers: tuple[ImportedAnswer, ...] = ()
    on_sky: tuple[Mark, ...] = ()
    by_place: bool = False

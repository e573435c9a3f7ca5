"""The annotated objects and answers of one image, as frozen records.

A *statement* is one annotation as it was read; a *record* is an image with the statements that remain after consensus.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sync.controls.region import Region
from sync.errors.controls import ControlError, OutsideError
from sync.errors.images import ImageError
from sync.export.pictures import Picture
from sync.export.sky import Sky
from sync.geometry.clipping import clip_box, clip_ring, ring_area
from sync.geometry.corners import box_around, box_corners, ellipse_box, ellipse_corners
from sync.geometry.footprint import Footprint
from sync.geometry.shapes import Box, Ellipse, Point, Polygon, Size

__all__ = ["Answer", "DrawnObject", "Provenance", "Record", "Shape", "Statement"]

Shape = Box | Ellipse | Point | Polygon | Footprint

SMALLEST_AREA = 1e-6
"""Square pixels: what covers less of the image, such as a box that ends at its border, is not on it."""

_KINDS = {Box: "box", Ellipse: "ellipse", Point: "keypoint", Polygon: "polygon", Footprint: "mask"}


@dataclass(frozen=True, slots=True)
class Provenance:
    """Who or what made an object or an answer.

    Attributes
    ----------
    made_by : {"human", "model", "mixed"}
        Mixed: what a person drew was joined with what a model proposed, by consensus, or as box and outline of one object.
    state : {"drawn", "accepted", "edited", "mixed"}
        A person's own work; or a model's, accepted as it was, or edited.
    version : str
        Of the model; empty for a person's own work, and where Label Studio has forgotten the prediction.
    annotators : tuple of int
        Numbers of the persons who submitted it; more than one after consensus.
    annotations : tuple of int
        Numbers of their annotations.
    time : str
        Of the last change, ISO 8601.
    """

    made_by: str
    state: str
    version: str
    annotators: tuple[int, ...]
    annotations: tuple[int, ...]
    time: str

    @classmethod
    def joined(cls, origins: Sequence[Provenance]) -> Self:
        """Return the provenance of what several regions had a part in."""
        makers, states = {one.made_by for one in origins}, {one.state for one in origins}
        return cls(
            made_by=makers.pop() if len(makers) == 1 else "mixed",
            state=states.pop() if len(states) == 1 else "mixed",
            version=", ".join(sorted({one.version for one in origins if one.version})),
            annotators=tuple(sorted({person for one in origins for person in one.annotators})),
            annotations=tuple(sorted({number for one in origins for number in one.annotations})),
            time=max(one.time for one in origins),
        )

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON writes it."""
        return {
            "made_by": self.made_by,
            "state": self.state,
            "version": self.version,
            "annotators": list(self.annotators),
            "annotations": list(self.annotations),
            "time": self.time,
        }


@dataclass(frozen=True, slots=True, eq=False)
class DrawnObject:
    """One region on the image.

    Attributes
    ----------
    id : str
        Of the region.
    control, label : str
        Name of the control, and what the config stores for the class.
    shape : Box, Ellipse, Point, Polygon or Footprint
        Pixels, x right and y down from the image's top-left corner.
    size : (width, height)
        Of the picture, pixels.
    probability : float or None
        Of the label: a model's score, or what consensus found.
    provenance : Provenance
    region : dict
        As Label Studio has it.
    boxed : DrawnObject or None
        The box that was drawn around the same object, where this is its outline.
    """

    id: str
    control: str
    label: str
    shape: Shape
    size: Size
    probability: float | None
    provenance: Provenance
    region: Region
    boxed: DrawnObject | None = None

    @property
    def kind(self) -> str:
        """`box`, `ellipse`, `keypoint`, `polygon` or `mask`."""
        return _KINDS[type(self.shape)]

    def footprint(self) -> Footprint | None:
        """Return the pixels that the object covers, None for a point or a box.

        Raises
        ------
        OutsideError
            If it lies outside the image.
        ControlError
            If it covers no pixel.
        """
        if isinstance(self.shape, Footprint):
            return self.shape
        if isinstance(self.shape, Polygon | Ellipse):
            return Footprint.of_polygon(Polygon(self.ring()), self.size)
        return None

    def ring(self) -> NDArray[np.float64]:
        """Return the outline of a box, polygon or ellipse as corners (x, y), shape (n, 2), cut at the image's border."""
        assert isinstance(self.shape, Box | Polygon | Ellipse)
        return clip_ring(_corners(self.shape).points, self.size)

    def box(self) -> Box | None:
        """Return the upright box around what of the object lies on the image, the drawn one if there is; None for a point."""
        if self.boxed is not None:
            return self.boxed.box()
        if isinstance(self.shape, Footprint):
            return self.shape.box
        if isinstance(self.shape, Point):
            return None
        if isinstance(self.shape, Box) and self.shape.rotation == 0:
            return clip_box(self.shape, self.size)
        if isinstance(self.shape, Ellipse) and (box := ellipse_box(self.shape)) == clip_box(box, self.size):
            return box
        return box_around(self.ring())

    def check_inside(self) -> None:
        """Check that the object can be exported.

        Raises
        ------
        OutsideError
            If nothing of it lies on the image.
        ControlError
            If it covers no pixel.
        """
        width, height = self.size
        outside = OutsideError(f"the region lies outside the image of {width}x{height} pixels")
        if isinstance(self.shape, Point):
            inside = 0 <= self.shape.x <= width and 0 <= self.shape.y <= height
        else:
            inside = not isinstance(self.shape, Box) or ring_area(self.ring()) > SMALLEST_AREA
        if not inside:
            raise outside
        try:
            self.footprint()
        except ControlError as error:
            if ring_area(self.ring()) <= SMALLEST_AREA:
                raise outside from error
            raise


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """A class, a path or a number for the whole image.

    Attributes
    ----------
    control : str
    labels : tuple of str
        Classes of Choices, joined paths of a Taxonomy; empty for a Number.
    number : float or None
        Of a Number, in the unit that the project gives it.
    probability : float or None
        Of the labels, as in `DrawnObject`.
    provenance : Provenance
    region : dict
        As Label Studio has it.
    """

    control: str
    labels: tuple[str, ...]
    number: float | None
    probability: float | None
    provenance: Provenance
    region: Region


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """One annotation: what one person submitted, or what consensus made of several.

    Attributes
    ----------
    annotation : int or None
        Its number; None after consensus.
    annotator : int or None
        Number of the person; None after consensus, and where Label Studio names no one.
    time : str
        ISO 8601.
    objects, answers : tuple
    regions : tuple of dict
        All that could be read, in Label Studio's order, those of other controls included.
    fields : mapping
        The rest of the annotation as Label Studio has it.
    """

    annotation: int | None
    annotator: int | None
    time: str
    objects: tuple[DrawnObject, ...] = ()
    answers: tuple[Answer, ...] = ()
    regions: tuple[Region, ...] = ()
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """One image of the data set: a task, or one of the images of a task.

    Attributes
    ----------
    task : int
    number : int
        Of the image in the data set: the task's where each task has one image.
    image : (str, int) or None
        Name of the Image tag and number of the page, from 0; None where each task has one image.
    data : mapping
        The task's data.
    reference : str
        Of its image.
    size : (width, height) or None
        Of the picture, pixels; as annotations state it where the file cannot be had or is not needed; None where nothing tells.
    sky : Sky
    split : str
    statements : tuple of Statement
        One, but for the consensus `all`.
    picture : Picture, ImageError or None
        Its file, or why it cannot be had; None where the format needs none.
    """

    task: int
    data: Mapping[str, Any]
    reference: str
    size: Size | None
    sky: Sky
    split: str
    statements: tuple[Statement, ...]
    picture: Picture | ImageError | None = None
    number: int = 0
    image: tuple[str, int] | None = None

    @property
    def objects(self) -> tuple[DrawnObject, ...]:
        """Of all statements."""
        return tuple(one for statement in self.statements for one in statement.objects)

    @property
    def answers(self) -> tuple[Answer, ...]:
        """Of all statements."""
        return tuple(one for statement in self.statements for one in statement.answers)


def _corners(shape: Box | Polygon | Ellipse) -> Polygon:
    if isinstance(shape, Box):
        return box_corners(shape)
    return ellipse_corners(shape) if isinstance(shape, Ellipse) else shape

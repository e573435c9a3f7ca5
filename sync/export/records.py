"""The annotated objects and answers of one image, as frozen dataclasses.

A *statement* is the content of one annotation; a *record* is an image with the statements that remain after consensus.
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
"""Square pixels. A shape with a smaller area on the image, such as a box that ends at its border, lies outside the image."""

_KINDS = {Box: "box", Ellipse: "ellipse", Point: "keypoint", Polygon: "polygon", Footprint: "mask"}


@dataclass(frozen=True, slots=True)
class Provenance:
    """Origin of an object or an answer: a person or a model.

    Attributes
    ----------
    made_by : {"human", "model", "mixed"}
        "mixed": a person's and a model's regions were joined, by consensus or as box and outline of one object.
    state : {"drawn", "accepted", "edited", "mixed"}
        "drawn": by a person; "accepted": predicted and submitted unchanged; "edited": predicted and changed; "mixed": the
        joined regions have different states.
    version : str
        Model version; empty for a person's own work, and if Label Studio no longer has the prediction.
    annotators : tuple of int
        Numbers of the annotators who submitted it; more than one after consensus.
    annotations : tuple of int
        Numbers of their annotations.
    time : str
        Time of the last change, ISO 8601.
    """

    made_by: str
    state: str
    version: str
    annotators: tuple[int, ...]
    annotations: tuple[int, ...]
    time: str

    @classmethod
    def joined(cls, origins: Sequence[Provenance]) -> Self:
        """Return the provenance of a region that was joined from several regions with the provenances `origins`."""
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
        """Return the attributes as a JSON object."""
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
        Id of the region.
    control, label : str
        Name of the control, and value of the label in the labelling config.
    shape : Box, Ellipse, Point, Polygon or Footprint
        Pixels, x right and y down from the image's top-left corner.
    size : (width, height)
        Size of the image, pixels.
    probability : float or None
        Probability of the label: a model's score, or the result of consensus.
    provenance : Provenance
    region : dict
        Region as Label Studio stores it.
    boxed : DrawnObject or None
        The box of the same object, if this is an outline with which a box was merged.
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
        """Kind of the shape: `box`, `ellipse`, `keypoint`, `polygon` or `mask`."""
        return _KINDS[type(self.shape)]

    def footprint(self) -> Footprint | None:
        """Return the pixels that the object covers; None for a point or a box.

        Raises
        ------
        OutsideError
            If the object lies outside the image.
        ControlError
            If the object covers no pixel.
        """
        if isinstance(self.shape, Footprint):
            return self.shape
        if isinstance(self.shape, Polygon | Ellipse):
            return Footprint.of_polygon(Polygon(self.ring()), self.size)
        return None

    def ring(self) -> NDArray[np.float64]:
        """Return the outline of a box, polygon or ellipse, clipped to the image: corners (x, y), shape (n, 2), pixels."""
        assert isinstance(self.shape, Box | Polygon | Ellipse)
        return clip_ring(_corners(self.shape).points, self.size)

    def box(self) -> Box | None:
        """Return the upright box around the object, clipped to the image; None for a point.

        If the object has a merged box (`boxed`), the box of that is returned.
        """
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
            If no part of the object lies on the image.
        ControlError
            If the object covers no pixel.
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
    """Classes, taxonomy paths or a number for the whole image.

    Attributes
    ----------
    control : str
        Name of the control.
    labels : tuple of str
        Classes of Choices, or paths of a Taxonomy joined by slashes; empty for a Number.
    number : float or None
        Value of a Number, in the unit of the project.
    probability : float or None
        Probability of the labels, as in `DrawnObject`.
    provenance : Provenance
    region : dict
        Region as Label Studio stores it.
    """

    control: str
    labels: tuple[str, ...]
    number: float | None
    probability: float | None
    provenance: Provenance
    region: Region


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """The content of one annotation, or the consensus of several.

    Attributes
    ----------
    annotation : int or None
        Number of the annotation; None after consensus.
    annotator : int or None
        Number of the annotator; None after consensus, and if Label Studio states none.
    time : str
        Time of the last change, ISO 8601.
    objects : tuple of DrawnObject
    answers : tuple of Answer
    regions : tuple of dict
        All valid regions in Label Studio's order, including those of controls that the export does not read.
    fields : mapping
        The other fields of the annotation as Label Studio stores them.
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
        Number of the task.
    data : mapping
        The task's data.
    reference : str
        Reference of the image in the task's data.
    size : (width, height) or None
        Size of the image, pixels: that of the file, else that of the annotations; None if it is unknown.
    sky : Sky
    split : str
    statements : tuple of Statement
        One statement, except for the consensus `all`.
    picture : Picture, ImageError or None
        The image file, or the error if it cannot be read; None if the format does not contain images.
    number : int
        Number of the image in the data set: the task's number where each task has one image.
    image : (str, int) or None
        Name of the Image tag and number of the page, from 0; None where each task has one image.
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
        """Objects of all statements."""
        return tuple(one for statement in self.statements for one in statement.objects)

    @property
    def answers(self) -> tuple[Answer, ...]:
        """Answers of all statements."""
        return tuple(one for statement in self.statements for one in statement.answers)


def _corners(shape: Box | Polygon | Ellipse) -> Polygon:
    if isinstance(shape, Box):
        return box_corners(shape)
    return ellipse_corners(shape) if isinstance(shape, Ellipse) else shape

"""The annotated objects of an image, with their shapes in pixels and their provenance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sync.controls.region import Region
from sync.errors.controls import ControlError, OutsideError
from sync.geometry.clipping import clip_box, clip_ring, ring_area
from sync.geometry.corners import box_around, box_corners, ellipse_box, ellipse_corners
from sync.geometry.footprint import Footprint
from sync.geometry.shapes import Box, Ellipse, Point, Polygon, Size

__all__ = ["DrawnObject", "Provenance", "Shape"]

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
    def join(cls, origins: Sequence[Provenance]) -> Self:
        """Return the provenance of a region that was joined from several regions with the provenances `origins`."""
        makers, states = {origin.made_by for origin in origins}, {origin.state for origin in origins}
        return cls(
            made_by=makers.pop() if len(makers) == 1 else "mixed",
            state=states.pop() if len(states) == 1 else "mixed",
            version=", ".join(sorted({origin.version for origin in origins if origin.version})),
            annotators=tuple(sorted({person for origin in origins for person in origin.annotators})),
            annotations=tuple(sorted({number for origin in origins for number in origin.annotations})),
            time=max(origin.time for origin in origins),
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
    merged_box : DrawnObject or None
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
    merged_box: DrawnObject | None = None

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
        if self.merged_box is not None:
            return self.merged_box.box()
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
        if not isinstance(self.shape, Polygon | Ellipse):
            return
        try:
            Footprint.check_polygon(Polygon(self.ring()), self.size)
        except ControlError as error:
            if ring_area(self.ring()) <= SMALLEST_AREA:
                raise outside from error
            raise


def _corners(shape: Box | Polygon | Ellipse) -> Polygon:
    if isinstance(shape, Box):
        return box_corners(shape)
    return ellipse_corners(shape) if isinstance(shape, Ellipse) else shape

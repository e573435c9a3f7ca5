"""An object as an annotator drew it: its label and box, and its outline, which is unfolded into pixels only where it is needed.

A project may have a hundred thousand objects, and one region may state a picture of 100 million pixels: what is kept of an
object is the region itself, and what it costs to read the regions of an annotation is bounded before any is unfolded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sync.controls import OBJECTS
from sync.controls.region import Region
from sync.errors.controls import ControlError
from sync.geometry.corners import ellipse_box, upright_box
from sync.geometry.footprint import Footprint
from sync.geometry.shapes import Box, Ellipse, Labelled, Polygon, Size
from sync.labelling.config import Control
from sync.labelling.reading import read_region

__all__ = ["DrawnObject", "Outline", "check_cost", "draw_objects"]

MOST_REGIONS = 10_000
MOST_PIXELS = 40_000_000_000
"""Of the pictures of an annotation's masks in all: about a second for each 1,000 million; 2,500 brush masks of 4000 x 4000."""
SLOWER = 4
"""So many times as long takes a pixel of an outline that is filled, in its own rectangle, as one of a brush mask."""


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """A mask or polygon as its region has it, on a picture of `size` (width, height)."""

    region: Region
    control: Control
    size: Size

    def footprint(self) -> Footprint:
        """The pixels inside, cut to the smallest rectangle around them."""
        return _footprint(read_region(self.region, self.control, size=self.size))


@dataclass(frozen=True)
class DrawnObject:
    """An object: its upright box in pixels of the picture, and its outline where it has one."""

    label: str
    box: Box
    outline: Outline | None


def check_cost(regions: Sequence[Region], control: Control, *, size: Size) -> None:
    """Refuse regions on one picture of `size` (width, height) that would cost too much to read.

    Raises
    ------
    ControlError
        If there are too many, or masks of too many pixels in all.
    """
    if len(regions) > MOST_REGIONS:
        raise ControlError(f"{len(regions)} regions are drawn for {control.name!r}; at most {MOST_REGIONS} are read")
    most = MOST_PIXELS // (size[0] * size[1])
    if control.tag in OBJECTS and OBJECTS[control.tag].SHAPE is np.ndarray and len(regions) > most:
        shown = f"{size[0]}x{size[1]}"
        raise ControlError(
            f"{len(regions)} masks on a picture of {shown} pixels are drawn for {control.name!r}; at most {most} are read"
        )


def draw_objects(regions: Sequence[Region], control: Control, *, size: Size) -> list[DrawnObject]:
    """Read the regions of a control of objects on one picture of `size` (width, height).

    Raises
    ------
    ControlError
        If one cannot be read or lies outside the picture, or they cost too much.
    """
    check_cost(regions, control, size=size)
    drawn, pixels = [], 0
    for region in regions:
        read = read_region(region, control, size=size)
        if isinstance(read.shape, Box):
            drawn.append(DrawnObject(read.label, _inside(upright_box(read.shape), size), None))
        elif isinstance(read.shape, Ellipse):
            drawn.append(DrawnObject(read.label, _inside(ellipse_box(read.shape), size), None))
        else:
            footprint = _footprint(read)
            drawn.append(DrawnObject(read.label, footprint.box, Outline(region, control, size)))
            pixels += footprint.pixels.size
            if pixels > MOST_PIXELS // SLOWER:
                raise ControlError(f"the outlines drawn for {control.name!r} cover more than {MOST_PIXELS // SLOWER} pixels")
    return drawn


def _footprint(read: Labelled[Any]) -> Footprint:
    """The pixels of a mask, or inside a polygon; one that goes round no pixel's middle has the pixel that it lies on."""
    if not isinstance(read.shape, Polygon):
        return Footprint.of_mask(read.shape)
    try:
        return Footprint.of_polygon(read.shape, read.size)
    except ControlError:
        x, y = np.clip(read.shape.points.mean(axis=0), 0, np.array(read.size) - 1).astype(int).tolist()
        return Footprint(x, y, np.ones((1, 1), bool))


def _inside(box: Box, size: Size) -> Box:
    """The part of a box that lies on the picture."""
    left, top = max(box.x, 0.0), max(box.y, 0.0)
    width, height = min(box.x + box.width, size[0]) - left, min(box.y + box.height, size[1]) - top
    if width <= 0 or height <= 0:
        raise ControlError("the region lies outside the picture")
    return Box(left, top, width, height)

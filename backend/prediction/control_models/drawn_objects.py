"""An object that an annotator drew: its label, box and outline, which is rasterised only when its pixels are needed.

A project may have a hundred thousand objects, and one region may state an image of 100 million pixels. Therefore only the
region of an outline is stored, and the cost of reading an annotation's regions is bounded before any of them is rasterised.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sync.controls import PIXELS
from sync.controls.region import Region
from sync.errors.controls import ControlError
from sync.geometry.corners import ellipse_box, upright_box
from sync.geometry.footprint import Footprint
from sync.geometry.shapes import Box, Ellipse, Labelled, Polygon, Size
from sync.labelling.config import Control
from sync.labelling.reading import read_region

__all__ = ["LabelledObject", "Outline", "check_cost", "draw_objects"]

MOST_REGIONS = 10_000
"""Largest number of regions of a control in an annotation."""
MOST_PIXELS = 40_000_000_000
"""Largest sum of the pixels of the images of an annotation's masks: 2,500 brush masks of 4000 x 4000; a second for each 1,000
million."""
SLOWER = 4
"""Ratio of the time per pixel of filling a polygon in its bounding box to that of reading a brush mask."""


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """A mask or polygon as the region that an annotator drew, on an image of `size` (width, height)."""

    region: Region
    control: Control
    size: Size

    def footprint(self) -> Footprint:
        """Return the pixels inside, cropped to their bounding box."""
        return _footprint(read_region(self.region, self.control, size=self.size))


@dataclass(frozen=True)
class LabelledObject:
    """An object: its label, its upright box in pixels of the image, and its outline, if the region has one."""

    label: str
    box: Box
    outline: Outline | None


def check_cost(regions: Sequence[Region], control: Control, *, size: Size) -> None:
    """Check that the regions of a control on one image do not cost too much to read.

    Parameters
    ----------
    regions : sequence of Region
    control : Control
    size : (width, height)
        Size of the image, pixels.

    Raises
    ------
    ControlError
        If there are too many, or masks of too many pixels in all.
    """
    if len(regions) > MOST_REGIONS:
        raise ControlError(f"{len(regions)} regions are drawn for {control.name!r}; at most {MOST_REGIONS} are read")
    limit = MOST_PIXELS // (size[0] * size[1])
    if control.tag in PIXELS and len(regions) > limit:
        size_text = f"{size[0]}x{size[1]}"
        raise ControlError(
            f"{len(regions)} masks on an image of {size_text} pixels are drawn for {control.name!r}; at most {limit} are read"
        )


def draw_objects(regions: Sequence[Region], control: Control, *, size: Size) -> list[LabelledObject]:
    """Read the regions of a control of objects on one image.

    Parameters
    ----------
    regions : sequence of Region
    control : Control
    size : (width, height)
        Size of the image, pixels.

    Raises
    ------
    ControlError
        If a region cannot be read or lies outside the image, or reading them would cost too much.
    """
    check_cost(regions, control, size=size)
    objects, pixels = [], 0
    for region in regions:
        read = read_region(region, control, size=size)
        if isinstance(read.shape, Box):
            objects.append(LabelledObject(read.label, _inside(upright_box(read.shape), size), None))
        elif isinstance(read.shape, Ellipse):
            objects.append(LabelledObject(read.label, _inside(ellipse_box(read.shape), size), None))
        else:
            footprint = _footprint(read)
            objects.append(LabelledObject(read.label, footprint.box, Outline(region, control, size)))
            pixels += footprint.pixels.size
            if pixels > MOST_PIXELS // SLOWER:
                raise ControlError(f"the outlines drawn for {control.name!r} cover more than {MOST_PIXELS // SLOWER} pixels")
    return objects


def _footprint(read: Labelled[Any]) -> Footprint:
    """Return the pixels of a mask or polygon; a polygon around no pixel centre gets the pixel at its mean point."""
    if not isinstance(read.shape, Polygon):
        return Footprint.of_mask(read.shape)
    try:
        return Footprint.of_polygon(read.shape, read.size)
    except ControlError:
        x, y = np.clip(read.shape.points.mean(axis=0), 0, np.array(read.size) - 1).astype(int).tolist()
        return Footprint(x, y, np.ones((1, 1), bool))


def _inside(box: Box, size: Size) -> Box:
    """Return the part of a box that lies on the image."""
    left, top = max(box.x, 0.0), max(box.y, 0.0)
    width, height = min(box.x + box.width, size[0]) - left, min(box.y + box.height, size[1]) - top
    if width <= 0 or height <= 0:
        raise ControlError("the region lies outside the image")
    return Box(left, top, width, height)

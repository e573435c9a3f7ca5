"""Cut-outs of objects for measurements: the object, its neighbours and enough sky around them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import sep
from numpy.typing import NDArray
from scipy import ndimage

from backend.heads.structure.measurement import Cutout
from backend.heads.structure.psf import Psf
from backend.measurement.science import ScienceImage
from sync.geometry.footprint import Footprint
from sync.geometry.shapes import Mask
from sync.images.background import clipped_background, sorted_sample

__all__ = ["CutoutMaker", "Window"]

MARGIN = 1.25
"""Sky on each side of an object, in units of the longer side of its box."""
LEAST_MARGIN_PX = 16
MOST_MARGIN_PX = 150
GROWTH = 0.4
"""Growth of the mask of a neighbour, in units of the radius of a circle of its area: an outline leaves out faint light."""
LEAST_GROWTH_PX, MOST_GROWTH_PX = 1, 8
MESH_PX = 128


@dataclass(frozen=True, slots=True)
class Window:
    """A part of an image: its first column and row, and the ends of both."""

    left: int
    top: int
    right: int
    low: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns."""
        return slice(self.top, self.low), slice(self.left, self.right)


class CutoutMaker:
    """Makes the cut-outs of the objects of one image.

    Parameters
    ----------
    image : ScienceImage
    objects : sequence of Footprint
        All known objects; those that are not measured are masked.
    psf : Psf or None
    """

    def __init__(self, image: ScienceImage, objects: Sequence[Footprint], *, psf: Psf | None) -> None:
        self._image = image
        self._objects = objects
        self._psf = psf
        self._noise = _noise_of(image.plane)
        self._segments = np.zeros(image.plane.shape, np.int32)
        for index in sorted(range(len(objects)), key=lambda index: -objects[index].area):
            objects[index].paint(self._segments, index + 1)  # small objects over large ones

    def cut(self, index: int) -> tuple[Cutout, Window]:
        """Return the cut-out of an object and its window in the image."""
        footprint = self._objects[index]
        window = _window_around(footprint, self._image.plane.shape)
        rows, columns = window.slices
        object_mask = np.zeros(self._image.plane.shape, np.bool_)[rows, columns]
        Footprint(footprint.x - window.left, footprint.y - window.top, footprint.pixels).paint(object_mask)
        segments = self._segments[rows, columns]
        neighbours = _grow((segments > 0) & (segments != index + 1) & ~object_mask, segments) & ~object_mask
        return Cutout(
            image=np.ascontiguousarray(self._image.plane[rows, columns], np.float32),
            object_mask=object_mask,
            neighbour_mask=neighbours,
            psf=self._psf,
            noise_sigma=self._noise,
            pixel_scale_arcsec=self._image.pixel_scale_arcsec,
            zero_point=self._image.zero_point,
            gain=self._image.gain,
        ), window


def _window_around(footprint: Footprint, shape: tuple[int, ...]) -> Window:
    height, width = footprint.pixels.shape
    margin = int(np.clip(math.ceil(MARGIN * max(height, width)), LEAST_MARGIN_PX, MOST_MARGIN_PX))
    return Window(
        max(footprint.x - margin, 0),
        max(footprint.y - margin, 0),
        min(footprint.x + width + margin, shape[1]),
        min(footprint.y + height + margin, shape[0]),
    )


def _grow(neighbours: Mask, segments: NDArray[np.int32]) -> Mask:
    """Grow the masks of neighbours by a part of their size."""
    if not neighbours.any():
        return neighbours
    distance, nearest = ndimage.distance_transform_edt(~neighbours, return_indices=True)
    areas = np.bincount(np.where(neighbours, segments, 0).ravel(), minlength=int(segments.max()) + 1)
    reach = np.clip(GROWTH * np.sqrt(areas / np.pi), LEAST_GROWTH_PX, MOST_GROWTH_PX)
    grown_mask: Mask = distance <= reach[segments[tuple(nearest)]]
    return grown_mask


def _noise_of(plane: NDArray[np.float32]) -> float | None:
    """Return the noise of the sky; None if it is 0, as in an image that was computed."""
    missing = np.isnan(plane)
    if min(plane.shape) >= 2 * MESH_PX:
        level = np.float32(np.median(plane[~missing]))
        background = sep.Background(np.where(missing, level, plane), mask=missing, bw=MESH_PX, bh=MESH_PX)
        noise = float(background.globalrms)
    else:
        noise = clipped_background(sorted_sample(plane)).noise
    return noise if noise > 0 and math.isfinite(noise) else None

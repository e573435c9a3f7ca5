"""Resampling of the objects of a segmentation map to images of the same sky with other pixels, such as cut-outs of a mosaic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from sync.geometry.footprint import Footprint
from sync.regions.marks import Canvas, Mark, PlacedMark, RegionsError
from sync.sky.celestial import CelestialSky

__all__ = ["marks_on_sky"]


def marks_on_sky(marks: Sequence[Mark], footprints: Sequence[Footprint], sky: CelestialSky, *, height: int) -> tuple[Mark, ...]:
    """Return marks with sky coordinates; those whose centre has none are left out.

    Parameters
    ----------
    marks : sequence of Mark
    footprints : sequence of Footprint
        Pixels of each mark on the map, whose first row is the top.
    sky : CelestialSky
        WCS of the map, with rows from the bottom as in the file.
    height : int
        Height of the map, pixels.
    """
    middles = np.array(
        [
            (footprint.x + (footprint.pixels.shape[1] - 1) / 2, footprint.y + (footprint.pixels.shape[0] - 1) / 2)
            for footprint in footprints
        ]
    )
    if not len(middles):
        return ()
    places = sky.positions(middles[:, 0], height - 1 - middles[:, 1])
    return tuple(
        replace(mark, position=(ra, dec), draw=partial(_draw, footprint, sky, height))
        for mark, footprint, (ra, dec) in zip(marks, footprints, places.tolist(), strict=True)
        if np.isfinite([ra, dec]).all()
    )


def _draw(footprint: Footprint, sky: CelestialSky, height: int, canvas: Canvas) -> PlacedMark:
    """Resample a footprint: each pixel of the image gets the value of the map's pixel that contains its centre."""
    if canvas.sky is None:
        raise RegionsError("the task has no sky coordinates (wcs)")
    rows, columns = footprint.pixels.shape
    x = footprint.x + np.array([-1, columns, columns, -1])
    y = footprint.y + np.array([-1, -1, rows, rows])
    corners = canvas.from_array(canvas.sky.pixels(sky.positions(x, height - 1 - y)))
    if not np.isfinite(corners).all():
        raise RegionsError("the position of the object on the image cannot be computed")
    low = np.clip(np.floor(corners.min(axis=0)), 0, canvas.size).astype(int)
    high = np.clip(np.ceil(corners.max(axis=0)), 0, canvas.size).astype(int)
    across, down = np.meshgrid(np.arange(low[0], high[0]), np.arange(low[1], high[1]))
    if not across.size:
        raise RegionsError("the object lies outside the image")
    on_map = sky.pixels(canvas.sky.positions(across.ravel(), canvas.size[1] - 1 - down.ravel()))
    valid: NDArray[np.bool_] = np.isfinite(on_map[:, 0]) & np.isfinite(on_map[:, 1])
    nearest_pixels = np.rint(np.where(valid[:, None], on_map, -1)).astype(int)
    column, row = nearest_pixels[:, 0] - footprint.x, height - 1 - nearest_pixels[:, 1] - footprint.y
    valid &= (column >= 0) & (column < columns) & (row >= 0) & (row < rows)
    inside = np.zeros(across.size, dtype=np.bool_)
    inside[valid] = footprint.pixels[row[valid], column[valid]]
    return PlacedMark(Footprint.of_mask(inside.reshape(across.shape), x=int(low[0]), y=int(low[1])))

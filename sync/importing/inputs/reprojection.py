"""Projection of a mosaic's tile onto the pixel grid of a cut-out, by slicing, interpolation or summation."""

from __future__ import annotations

import numpy as np
from astropy import units
from astropy.wcs.utils import proj_plane_pixel_area
from numpy.typing import NDArray

from sync.importing.inputs.curved_maps import is_square, resample_map
from sync.importing.inputs.item import InputError
from sync.importing.inputs.tiles import MosaicTile, unit_vectors
from sync.sky.celestial import ARCSEC_A_DEGREE, CelestialSky

__all__ = ["Plane", "project_map", "project_tile"]

SAME_PIXELS = 0.01
"""Largest difference of two pixel grids that are cut without resampling, pixels."""
MARGIN_PX = 8
"""Margin around a cut-out for resampling, pixels."""
FINER = 1.2
"""Ratio of pixel areas above which the finer pixels are summed instead of interpolated."""

Plane = NDArray[np.floating]


def project_map(tile: MosaicTile, target: CelestialSky, side: int) -> Plane:
    """Return a tile resampled onto the pixels of `target`, shape (side, side), with flux per pixel scaled by the area."""
    plane: Plane = resample_map(tile, target, side)
    if not _is_surface_brightness(tile.unit):
        pixel = tile.sky.pixels(target.positions((side - 1) / 2, (side - 1) / 2))[0]
        if np.isfinite(area := _pixel_area(tile.sky, *pixel)) and area > 0:
            plane = plane * (_pixel_area(target, (side - 1) / 2, (side - 1) / 2) / area)
    return plane if tile.is_double else plane.astype(np.float32)


def _pixel_area(sky: CelestialSky, x: float, y: float) -> float:
    """Return the area of a pixel on the sky, square arcsec."""
    moves = 0.5 * np.array([[-1.0, 0.0], [1.0, 0.0], [0.0, -1.0], [0.0, 1.0]])
    vectors = unit_vectors(sky.positions(x + moves[:, 0], y + moves[:, 1]))
    return float(np.linalg.norm(np.cross(vectors[1] - vectors[0], vectors[3] - vectors[2])) * np.degrees(ARCSEC_A_DEGREE) ** 2)


def project_tile(tile: MosaicTile, target: CelestialSky, side: int) -> Plane:
    """Return a tile on the pixels of `target`, shape (side, side): sliced if the grids agree, else resampled."""
    corners = np.array([[0, 0, side - 1, side - 1], [0, side - 1, 0, side - 1]], dtype=float)
    theirs = tile.sky.pixels(target.positions(*corners)).T
    middle = tile.sky.pixels(target.positions((side - 1) / 2, (side - 1) / 2))[0]
    if not np.isfinite(theirs).all() or not is_square(tile.sky, float(middle[0]), float(middle[1]), side):
        return project_map(tile, target, side)
    shift = theirs - corners
    x, y = theirs.mean(axis=1)
    if np.ptp(shift, axis=1).max() < SAME_PIXELS and np.abs(shift - np.rint(shift)).max() < SAME_PIXELS:
        return tile.cut(float(x), float(y), side)[0]
    try:
        from reproject import reproject_exact, reproject_interp  # imported on use, because it imports dask
    except ModuleNotFoundError as error:
        raise InputError("bands on different pixels need reproject: install galaxyloop[import]") from error
    part = tile.cut(float(x), float(y), int(np.ceil(np.ptp(theirs, axis=1).max())) + 2 * MARGIN_PX)
    larger = proj_plane_pixel_area(target.wcs) / proj_plane_pixel_area(tile.sky.wcs)
    # Interpolation uses only the pixels next to a point, so larger target pixels would miss flux between the points.
    resample = reproject_exact if larger > FINER else reproject_interp
    pixels, sky = part
    resampled_plane: Plane = resample((pixels, sky.wcs), target.wcs, shape_out=(side, side), return_footprint=False)
    if not _is_surface_brightness(tile.unit):
        resampled_plane = resampled_plane * larger  # flux per pixel is proportional to its area
    return resampled_plane.astype(pixels.dtype)


def _is_surface_brightness(unit: str) -> bool:
    """Return whether a unit is one per solid angle, such as MJy/sr; False for units that astropy does not know."""
    parsed_unit = units.Unit(unit, parse_strict="silent")
    if isinstance(parsed_unit, units.UnrecognizedUnit):
        return False
    parsed_unit = parsed_unit.decompose()
    return any(base == units.rad and power < 0 for base, power in zip(parsed_unit.bases, parsed_unit.powers, strict=True))

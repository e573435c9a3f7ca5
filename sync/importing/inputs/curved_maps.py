"""Cut-outs that need resampling: across the seam or a pole of an all-sky map, or from pixels that are not square on the sky.

Such a cut-out is a tangent plane around the position, north up, at the pixel scale of the map. Each of its pixels is
interpolated from the map's pixels that are its neighbours on the sky, which may be far apart in the file.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sync.errors.images import ImageError
from sync.importing.inputs.tiles import MosaicTile, Place, unit_vectors
from sync.sky.celestial import ARCSEC_A_DEGREE, CelestialSky
from sync.sky.reader import read_sky

__all__ = ["is_square", "resample_map", "tangent_sky"]

FLAT = ("TAN", "SIN", "STG", "ARC", "ZEA", "ZPN", "AZP", "SZP", "AIR")
"""Zenithal projections, as of single telescope images."""
FLAT_DEG = 60.0
"""Largest width of such images that are sliced without resampling, degrees."""
TOLERANCE = 0.05
"""Largest displacement of a cut-out's corners from those of a square, as a fraction of half its side."""
NEIGHBOUR_PX = 3.0
"""Largest distance of neighbours on the sky, pixels; pixels farther apart are separated by a seam of the map."""
MAX_READ = 2**27
"""Most pixels of a map that one cut-out reads; across the seam it reads all columns of its rows."""
CHUNK = 2**18
EXACT_PX = 1e-3
"""Largest difference of a turn from a whole number of columns."""


def is_square(sky: CelestialSky, x: float, y: float, side: int) -> bool:
    """Return whether a square of `side` pixels around a pixel of the map is a square on the sky."""
    width = max(sky.size or (0,)) * sky.pixel_scale_arcsec / ARCSEC_A_DEGREE
    code = str(sky.wcs.wcs.ctype[sky.wcs.wcs.lng])[5:8]
    if (code in FLAT or not code) and width < FLAT_DEG:
        return True
    if str(sky.wcs.wcs.lngtyp).strip() not in ("RA", "GLON"):
        return False  # programs interpret the cards of ecliptic maps differently
    half = side / 2
    moves = np.array([(a, b) for a in (-half, 0.0, half) for b in (-half, 0.0, half)])
    vectors = unit_vectors(sky.positions(x + moves[:, 0], y + moves[:, 1]))
    if not np.isfinite(vectors).all():
        return False
    middle, right, up = vectors[4], vectors[7] - vectors[1], vectors[5] - vectors[3]
    radius = half * sky.pixel_scale_arcsec / ARCSEC_A_DEGREE * np.pi / 180
    if np.linalg.norm(right) == 0 or np.linalg.norm(up) == 0:
        return False
    right, up = right / np.linalg.norm(right), up / np.linalg.norm(up)
    expected_vectors = middle + radius * ((moves[:, :1] / half) * right + (moves[:, 1:] / half) * up)
    bend = radius**2  # distance of a sphere from its tangent plane
    return bool(
        np.linalg.norm(vectors - expected_vectors, axis=1).max() <= TOLERANCE * radius + bend and abs(right @ up) <= TOLERANCE
    )


def tangent_sky(place: Place, *, side: int, scale_arcsec: float) -> CelestialSky:
    """Return the coordinates of a square around a position, with north up and east to the left."""
    step, middle = scale_arcsec / ARCSEC_A_DEGREE, (side + 1) / 2
    cards = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "RADESYS": "ICRS", "CUNIT1": "deg", "CUNIT2": "deg"}
    numbers = {"CRVAL1": place[0], "CRVAL2": place[1], "CRPIX1": middle, "CRPIX2": middle}
    matrix = {"CD1_1": -step, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": step}
    return read_sky({"NAXIS": 2, "NAXIS1": side, "NAXIS2": side, **cards, **numbers, **matrix})


def resample_map(tile: MosaicTile, target: CelestialSky, side: int) -> NDArray[np.float64]:
    """Return a tile on the pixels of `target`, shape (side, side); NaN where the tile has no pixel.

    Raises
    ------
    ImageError
        If more than `MAX_READ` pixels of the tile are needed.
    """
    rows, columns = np.divmod(np.arange(side * side), side)
    places = target.positions(columns.astype(float), rows.astype(float))
    pixels = tile.sky.pixels(places)
    pixels[~tile.sky.holds(pixels)] = np.nan
    plane = np.full(side * side, np.nan)
    valid = np.flatnonzero(np.isfinite(pixels).all(axis=1))
    if not len(valid):
        return plane.reshape(side, side)
    part, corner = _read_around(tile, pixels[valid])
    for start in range(0, len(valid), CHUNK):
        chunk = valid[start : start + CHUNK]
        plane[chunk] = _interpolate(tile, part, corner, pixels[chunk], places[chunk])
    return plane.reshape(side, side)


def _read_around(tile: MosaicTile, pixels: NDArray[np.float64]) -> tuple[NDArray[np.floating], NDArray[np.int64]]:
    """Return the rectangle of the tile that contains pixels and their neighbours, and its first column and row."""
    height, width = tile.shape
    low = np.maximum(np.floor(pixels.min(axis=0)).astype(np.int64) - 1, 0)
    high = np.minimum(np.ceil(pixels.max(axis=0)).astype(np.int64) + 2, (width, height))
    if tile.sky.turn_px is not None and (low[0] == 0 or high[0] == width):  # neighbours at the other edge of the map
        low[0], high[0] = 0, width
    count = int(np.prod(high - low))
    if count > MAX_READ:
        raise ImageError(f"a cut-out across the seam of {tile.file.name} needs {count} of its pixels: {MAX_READ} are the most")
    return tile.read(slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))), low


def _interpolate(
    tile: MosaicTile,
    part: NDArray[np.floating],
    corner: NDArray[np.int64],
    pixels: NDArray[np.float64],
    places: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return bilinear interpolations at pixels, shape (n,), from the four neighbours that are also near on the sky."""
    first = np.floor(pixels).astype(np.int64)
    share = pixels - first
    vectors = unit_vectors(places)
    nearest = np.cos(np.radians(NEIGHBOUR_PX * tile.sky.pixel_scale_arcsec / ARCSEC_A_DEGREE))
    turn = _whole_turn(tile)
    total, weights = np.zeros(len(pixels)), np.zeros(len(pixels))
    for right in (0, 1):
        for up in (0, 1):
            column, row = first[:, 0] + right, first[:, 1] + up
            if turn:
                column = np.where(column >= tile.shape[1], column - turn, np.where(column < 0, column + turn, column))
            x, y = column - corner[0], row - corner[1]
            inside = (x >= 0) & (y >= 0) & (x < part.shape[1]) & (y < part.shape[0])
            value = np.full(len(pixels), np.nan)
            value[inside] = part[y[inside], x[inside]]
            neighbours = unit_vectors(tile.sky.positions(column.astype(float), row.astype(float)))
            weight = np.where(right, share[:, 0], 1 - share[:, 0]) * np.where(up, share[:, 1], 1 - share[:, 1])
            with np.errstate(invalid="ignore"):
                is_near = np.einsum("ni,ni->n", neighbours, vectors) >= nearest
            # The pixel that contains the position is always used, even if the map's projection stretches it.
            is_near = np.isfinite(value) & (is_near | (np.isfinite(neighbours[:, 0]) & (weight > 0.25)))
            total += np.where(is_near, weight * np.nan_to_num(value), 0.0)
            weights += np.where(is_near, weight, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(weights > 0, total / weights, np.nan)


def _whole_turn(tile: MosaicTile) -> int:
    """Return the number of columns of a turn of 360 degrees if it is an integer and the map has as many columns; else 0."""
    turn = tile.sky.turn_px
    if turn is None or abs(turn[1]) > EXACT_PX:
        return 0
    columns = round(abs(float(turn[0])))
    return columns if abs(abs(float(turn[0])) - columns) < EXACT_PX and columns <= tile.shape[1] else 0

"""MOC: the sky coverage of the images and of the objects, as FITS files that Aladin, TOPCAT and mocpy open.

`images.fits` is the coverage of the images, `objects.fits` that of the objects with an outline or a box, over all splits. The
module samples each image and object with a grid of points; the coverage is the union of the HEALPix cells that contain a point.
Cells are at least twice as wide as the spacing of the points, so that the coverage has no gaps. This needs no special cases for
maps of the whole sky, seams of projections, poles and concave outlines.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from astropy import units
from astropy.coordinates import Latitude, Longitude, SkyCoord
from numpy.typing import NDArray

from sync.errors.images import ImageError
from sync.export.dataset import Dataset
from sync.export.drawn_objects import DrawnObject
from sync.export.records import Record
from sync.export.sky import Sky
from sync.geometry.shapes import Box, Size

if TYPE_CHECKING:
    from mocpy import MOC

__all__ = ["write"]

POINTS_ALONG_IMAGE = 48
POINTS_ALONG_OBJECT = 16
"""Smallest number of points along the shorter side of an object's footprint."""
MOST_POINTS_ALONG = 192
"""Largest number of points along the longer side."""

LARGEST_ORDER = 24
"""Cells of 0.01 arcsec."""

CELLS_TOGETHER = 1_000_000
"""Number of points after which their cells are merged into the coverage."""


def write(records: Iterable[Record], folder: Path, *, dataset: Dataset) -> None:
    """Write `images.fits` and `objects.fits`; images without a sky position are reported and left out."""
    images, objects = _Coverage(), _Coverage()

    def write_record(record: Record) -> None:
        size = record.size or record.sky.measured_size
        places = None if size is None else _places_of_image(record.sky, size)
        if places is None or not len(_finite_positions(places)):
            raise ImageError("a MOC needs the image's position on the sky: a WCS, or ra, dec and pixel_scale_arcsec")
        places_of_objects = [_places_of_object(obj, record.sky) for obj in record.objects]
        images.add(places)
        for obj, places in zip(record.objects, places_of_objects, strict=True):
            if not objects.add(places):
                dataset.report("the object is left out: its position on the sky is unknown", task=record.task, region=obj.id)

    dataset.write_each(records, write_record)
    for name, coverage in (("images", images), ("objects", objects)):
        coverage.merge().save(folder / f"{name}.fits", format="fits", overwrite=True)


class _Coverage:
    """Union of the cells of all added points."""

    def __init__(self) -> None:
        self._parts: list[MOC] = []
        self._points: dict[int, list[NDArray[np.float64]]] = {}
        self._count = 0

    def add(self, places: NDArray[np.float64]) -> bool:
        """Add a grid of points.

        Parameters
        ----------
        places : ndarray, shape (rows, columns, 2)
            Right ascension and declination, degrees; NaN outside the object or image.

        Returns
        -------
        bool
            Whether the grid has a point on the sky.
        """
        positions = _finite_positions(places)
        if not len(positions):
            return False
        self._points.setdefault(_order_for(places), []).append(positions)
        self._count += len(positions)
        if self._count > CELLS_TOGETHER:
            self._parts = [self.merge()]
        return True

    def merge(self) -> MOC:
        """Return the union of all cells."""
        from mocpy import MOC

        for order, points in self._points.items():
            right_ascension, declination = np.concatenate(points).T * units.deg
            cells = MOC.from_lonlat(Longitude(right_ascension), Latitude(declination), max_norder=order)
            self._parts.append(cells)
        self._points, self._count = {}, 0
        return MOC.new_empty(0).union(MOC.new_empty(0), *self._parts)


def _finite_positions(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the points of a grid with valid coordinates, shape (n, 2), degrees."""
    on_sky: NDArray[np.float64] = places[np.isfinite(places).all(axis=2) & (np.abs(places[..., 1]) <= 90)]
    return on_sky


def _order_for(places: NDArray[np.float64]) -> int:
    """Return the largest HEALPix order whose cells are at least twice as wide as the spacing of a grid."""
    longitude, latitude = np.radians(places[..., 0]), np.radians(places[..., 1])
    vectors = np.stack([np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)], axis=-1)
    steps = [np.linalg.norm(np.diff(vectors, axis=axis), axis=-1).ravel() for axis in (0, 1)]
    # The median ignores neighbours without coordinates and neighbours on opposite sides of a map's seam.
    apart = max((float(np.median(finite)) for step in steps if len(finite := step[np.isfinite(step)])), default=0.0)
    if apart <= 0:
        return LARGEST_ORDER
    # A cell of order k has a side of sqrt(pi / 3) / 2**k.
    return int(np.clip(np.floor(np.log2(np.sqrt(np.pi / 3) / (2 * apart))), 0, LARGEST_ORDER))


def _places_of_image(sky: Sky, size: Size) -> NDArray[np.float64]:
    """Return a grid of sky positions over an image, shape (rows, columns, 2), degrees; NaN where unknown.

    Without a WCS the rotation of the image is unknown, and the grid covers its circumscribed circle.
    """
    if sky.celestial is not None:
        points, shape = _grid(Box(0, 0, *size), POINTS_ALONG_IMAGE)
        return sky.positions(points, size).reshape(*shape, 2)
    if sky.centre is None or sky.scale_arcsec is None:
        return np.full((1, 1, 2), np.nan)
    radius = sky.scale_arcsec * np.hypot(*size) / 2
    turns, radii = np.meshgrid(np.arange(0, 360, 4), np.linspace(0, radius, POINTS_ALONG_IMAGE))
    around = SkyCoord(*sky.centre, unit="deg").directional_offset_by(turns * units.deg, radii * units.arcsec)
    return np.stack([around.ra.deg, around.dec.deg], axis=2)


def _places_of_object(obj: DrawnObject, sky: Sky) -> NDArray[np.float64]:
    points, shape = _points_of(obj)
    return sky.positions(points, obj.size).reshape(*shape, 2)


def _points_of(obj: DrawnObject) -> tuple[NDArray[np.float64], tuple[int, int]]:
    """Return points (x, y) over an object, pixels, NaN outside the object, and the grid's shape (rows, columns)."""
    footprint = obj.footprint()
    if footprint is None:
        box = obj.box()
        assert box is not None
        return _grid(box, POINTS_ALONG_IMAGE)
    height, width = footprint.pixels.shape
    # An odd number of points along each pixel, so that one of them is its centre; of a large object every k-th pixel.
    each = 2 * int(np.ceil(POINTS_ALONG_OBJECT / min(height, width)) // 2) + 1
    skip = int(np.ceil(max(height, width) / MOST_POINTS_ALONG))
    inside = footprint.pixels[::skip, ::skip]
    inside = inside if inside.any() else np.ones_like(inside)  # too thin for the sampling: cover its box
    if max(inside.shape) * each > MOST_POINTS_ALONG * POINTS_ALONG_OBJECT:
        each = 1  # a line one pixel wide
    inside = np.repeat(np.repeat(inside, each, axis=0), each, axis=1)
    y, x = np.indices(inside.shape) * (skip / each) + (0.5 if skip > 1 else 0.5 / each)
    points: NDArray[np.float64] = np.stack([footprint.x + x.ravel(), footprint.y + y.ravel()], axis=1)
    points[~inside.ravel()] = np.nan
    return points, (inside.shape[0], inside.shape[1])


def _grid(box: Box, along: int) -> tuple[NDArray[np.float64], tuple[int, int]]:
    """Return points (x, y) over a box and its border, pixels, shape (n, 2), and the grid's shape (rows, columns)."""
    step = max(min(box.width, box.height) / along, max(box.width, box.height) / MOST_POINTS_ALONG)
    columns, rows = (max(2, int(np.ceil(side / step)) + 1) for side in (box.width, box.height))
    y, x = np.meshgrid(np.linspace(0, box.height, rows), np.linspace(0, box.width, columns), indexing="ij")
    return np.stack([box.x + x.ravel(), box.y + y.ravel()], axis=1), (rows, columns)

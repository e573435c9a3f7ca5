"""MOC: which part of the sky the images cover, and which the objects, as FITS files that Aladin, TOPCAT and mocpy open.

`images.fits` is the coverage of the images, `objects.fits` that of the objects with an outline or a box, over all splits. Cells
are a sixteenth of an image, and an eighth of an object, or smaller: coverage is rounded up to whole cells.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from astropy import units
from astropy.coordinates import SkyCoord
from numpy.typing import NDArray

from sync.controls.shapes import Size
from sync.export.dataset import Dataset
from sync.export.footprints import Footprint
from sync.export.records import Record
from sync.export.sky import Sky
from sync.export.yolo import outline_of

if TYPE_CHECKING:
    from mocpy import MOC

__all__ = ["write"]

CELLS_AN_IMAGE = 16
CELLS_AN_OBJECT = 8
"""Along its shorter side, at least."""

LARGEST_ORDER = 24
"""Cells of 0.01 arcsec."""

POINTS_A_SIDE = 8
"""Of an image's border, which is no great circle."""

WIDEST_DEG = 60.0
"""From the middle of a shape: a polygon on a sphere does not say which side is its inside."""

TOGETHER = 500
"""Coverages that are joined at once."""


def write(records: Iterable[Record], folder: Path, *, dataset: Dataset) -> None:
    """Write `images.fits` and `objects.fits`; images without a place on the sky are left out."""
    images, objects = _Coverage(), _Coverage()
    for record in records:
        size = record.size or record.sky.measured_size
        border = _image_border(record.sky, size)
        if border is None:
            dataset.leave_out(record, "a MOC needs the image's place on the sky: a WCS, or ra, dec and pixel_scale_arcsec")
            continue
        if not images.add(border, cells=CELLS_AN_IMAGE):
            limit = f"wider than {2 * WIDEST_DEG:g} deg or reaches beyond what its projection maps"
            dataset.leave_out(record, f"a MOC cannot hold the image: it is {limit}")
            continue
        for one in record.objects:
            ring = outline_of(one.shape) if isinstance(one.shape, Footprint) else one.ring()
            if not objects.add(record.sky.positions(ring, one.size), cells=CELLS_AN_OBJECT):
                dataset.report("the object's place on the sky is not known", task=record.task, region=one.id)
    for name, coverage in (("images", images), ("objects", objects)):
        coverage.whole().save(folder / f"{name}.fits", format="fits", overwrite=True)


class _Coverage:
    """A union that grows by polygons."""

    def __init__(self) -> None:
        self._parts: list[MOC] = []

    def add(self, places: NDArray[np.float64], *, cells: int) -> bool:
        """Add the polygon of `places`, (right ascension, declination) in degrees; tell whether it is one."""
        from mocpy import MOC

        order = _order_for(places, cells)
        if order is None:
            return False
        self._parts += MOC.from_polygons([places[:, 0] % 360, places[:, 1]], max_depth=order, n_threads=1)
        if len(self._parts) >= TOGETHER:
            self._parts = [self.whole()]
        return True

    def whole(self) -> MOC:
        """Return all of it."""
        from mocpy import MOC

        return MOC.new_empty(0).union(MOC.new_empty(0), *self._parts)


def _order_for(places: NDArray[np.float64], cells: int) -> int | None:
    """The HEALPix order at which `cells` or more fit along the shorter side of a polygon; None where it is none."""
    if len(places) < 3 or not np.isfinite(places).all():
        return None
    longitude, latitude = np.radians(places).T
    vectors = np.stack([np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)], axis=1)
    middle = vectors.mean(axis=0)
    length = np.linalg.norm(middle)
    if length == 0 or (vectors @ middle).min() < length * np.cos(np.radians(WIDEST_DEG)):
        return None
    flat = vectors - np.outer(vectors @ middle, middle) / length**2
    flat -= flat.mean(axis=0)
    _, _, axes = np.linalg.svd(flat, full_matrices=False)
    shorter = float(np.ptp(flat @ axes[:2].T, axis=0).min())
    if shorter <= 0:
        return None
    # A cell of order k has a side of sqrt(pi / 3) / 2**k.
    return int(np.clip(np.ceil(np.log2(np.sqrt(np.pi / 3) * cells / shorter)), 0, LARGEST_ORDER))


def _image_border(sky: Sky, size: Size | None) -> NDArray[np.float64] | None:
    """Points around an image, degrees; without a WCS those of the circle around it, whichever way it is turned."""
    if size is None:
        return None
    if sky.celestial is not None:
        return sky.positions(_border(size), size)
    if sky.centre is None or sky.scale_arcsec is None:
        return None
    centre = SkyCoord(*sky.centre, unit="deg")
    turns = np.linspace(0, 360, 4 * POINTS_A_SIDE, endpoint=False)
    around = centre.directional_offset_by(turns * units.deg, sky.scale_arcsec * np.hypot(*size) / 2 * units.arcsec)
    return np.stack([around.ra.deg, around.dec.deg], axis=1)


def _border(size: Size) -> NDArray[np.float64]:
    """Points around an image, shape (n, 2), pixels."""
    along = np.arange(POINTS_A_SIDE) / POINTS_A_SIDE
    zero, one = np.zeros_like(along), np.ones_like(along)
    x, y = np.concatenate([along, one, 1 - along, zero]), np.concatenate([zero, along, one, 1 - along])
    return np.stack([x, y], axis=1) * size

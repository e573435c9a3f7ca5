"""DS9 region files, which astropy's `regions` reads as well: one file per image, `regions/<split>/<task>.reg`.

If the image has a WCS, regions are in ICRS and match any image of that part of the sky. Otherwise they are in DS9's image
coordinates: y counts from the bottom, and the centre of the first pixel is (1, 1). A mask is written as a polygon whose parts
and holes are joined by bridges. The text of a region is the label; its tags are the control, the kind and the provenance.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.coordinates import SkyCoord
from numpy.typing import NDArray

from sync.export.dataset import Dataset
from sync.export.drawn_objects import DrawnObject
from sync.export.image_files import name_of
from sync.export.measures import Measures, measure
from sync.export.outlines import outline_of
from sync.export.records import Record
from sync.export.texts import DS9, Texts
from sync.geometry.corners import box_corners
from sync.geometry.footprint import Footprint
from sync.geometry.shapes import Box, Ellipse, Point

if TYPE_CHECKING:
    from regions import PixelRegion, SkyRegion

__all__ = ["write"]

HEADER = "# Region file format: DS9 astropy/regions\n"

SKEW = 1e-3
"""Largest relative difference between the largest and the smallest pixel scale at which a box stays a box on the sky; otherwise
it is written as a polygon."""


def write(records: Iterable[Record], folder: Path, *, dataset: Dataset) -> None:
    """Write a region file for each image, including images without an object."""
    from regions import Regions

    texts = Texts(DS9, format="DS9", report=dataset.report)
    for split in dataset.splits:
        (folder / "regions" / split).mkdir(parents=True)

    def write_record(record: Record) -> None:
        regions = []
        for obj, measures in zip(record.objects, measure(record.objects, record.sky), strict=True):
            region = _on_sky(obj, measures, record) or _on_image(obj)
            region.meta["text"] = texts(obj.label, task=record.task)
            provenance = obj.provenance
            region.meta["tag"] = [
                texts(tag) for tag in (obj.control, obj.kind, provenance.made_by, provenance.state, provenance.version) if tag
            ]
            regions.append(region)
        text = Regions(regions).serialize(format="ds9") or HEADER
        (folder / "regions" / record.split / name_of(record, ".reg")).write_text(text, encoding="utf-8")

    dataset.write_each(records, write_record)


class _Corners(SkyCoord):  # type: ignore[misc]  # astropy has no types
    """Corners of a polygon whose texts are made together: SkyCoord formats each number on its own, 15 times slower."""

    def to_string(self, *, precision: int) -> list[str]:
        places = zip(self.ra.deg.tolist(), self.dec.deg.tolist(), strict=True)
        return [f"{ra:.{precision}f} {dec:.{precision}f}" for ra, dec in places]


def _on_sky(obj: DrawnObject, measures: Measures, record: Record) -> SkyRegion | None:
    """Return the region in ICRS; None if the image has no WCS, or the WCS does not cover the whole object."""
    from astropy import units
    from regions import EllipseSkyRegion, PointSkyRegion, PolygonSkyRegion, RectangleSkyRegion

    if not np.isfinite((measures.ra, measures.dec)).all():
        return None
    centre = SkyCoord(measures.ra, measures.dec, unit="deg")
    shape = obj.shape
    if isinstance(shape, Point):
        return PointSkyRegion(centre)
    if isinstance(shape, Ellipse):
        # `regions` and DS9 measure angles from west, with north up and east left; a position angle is measured from north.
        angle = (0.0 if np.isnan(measures.position_angle) else measures.position_angle) + 90
        sides = np.array([measures.semi_major_arcsec, measures.semi_minor_arcsec]) * 2 * units.arcsec
        return EllipseSkyRegion(centre, *sides, angle * units.deg) if np.isfinite(sides).all() else None
    if isinstance(shape, Box):
        step = record.sky.steps(np.array([[measures.x, measures.y]]), obj.size)[0]
        largest, smallest = np.linalg.svd(step, compute_uv=False) if np.isfinite(step).all() else (np.nan, np.nan)
        if largest - smallest < SKEW * largest:
            turn = np.radians(shape.rotation)
            east, north = step @ (np.cos(turn), np.sin(turn))
            sides = np.array([shape.width, shape.height]) * largest * units.arcsec
            return RectangleSkyRegion(centre, *sides, (np.degrees(np.arctan2(east, north)) + 90) * units.deg)
    places = record.sky.positions(_corners(obj), obj.size)
    return PolygonSkyRegion(_Corners(places, unit="deg")) if np.isfinite(places).all() else None


def _on_image(obj: DrawnObject) -> PixelRegion:
    from astropy import units
    from regions import EllipsePixelRegion, PixCoord, PointPixelRegion, PolygonPixelRegion, RectanglePixelRegion

    def place(points: Any) -> Any:
        """Convert to pixel indices with rows from the bottom; the y axis is flipped, so angles change their sign."""
        x, y = np.asarray(points, dtype=np.float64).T
        return PixCoord(x - 0.5, obj.size[1] - y - 0.5)

    shape = obj.shape
    if isinstance(shape, Point):
        return PointPixelRegion(place((shape.x, shape.y)))
    if isinstance(shape, Ellipse):
        centre = place((shape.x, shape.y))
        return EllipsePixelRegion(centre, 2 * shape.radius_x, 2 * shape.radius_y, -shape.rotation * units.deg)
    if isinstance(shape, Box):
        centre = place(box_corners(shape).points.mean(axis=0))
        return RectanglePixelRegion(centre, shape.width, shape.height, -shape.rotation * units.deg)
    return PolygonPixelRegion(place(_corners(obj)))


def _corners(obj: DrawnObject) -> NDArray[np.float64]:
    """Return the corners (x, y) of a mask, box or polygon, shape (n, 2), pixels."""
    shape = obj.shape
    if isinstance(shape, Footprint):
        return outline_of(shape)
    return box_corners(shape).points if isinstance(shape, Box) else shape.points  # type: ignore[union-attr]

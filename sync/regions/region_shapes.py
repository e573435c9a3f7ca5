"""Shapes of astropy's `regions` on an image, in pixels or through its sky coordinates."""

from __future__ import annotations

import warnings
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from sync.geometry.footprint import Footprint
from sync.geometry.shapes import MAX_PIXELS
from sync.regions.array_shapes import box_of_array, ellipse_of_array, point_of_array, polygon_of_array
from sync.regions.marks import Canvas, PlacedMark, RegionsError, Shape

if TYPE_CHECKING:
    from regions import PixelRegion

__all__ = ["draw_region", "first_line", "position_of"]


def position_of(region: Any) -> tuple[float, float]:
    """Return the right ascension and declination of a region's centre, degrees; for a polygon, of the mean of its corners."""
    from astropy.coordinates import SkyCoord

    place = region.vertices if hasattr(region, "vertices") else region.center
    icrs = place.icrs
    if not icrs.isscalar:
        middle = icrs.cartesian.mean()
        icrs = SkyCoord(middle, frame="icrs", representation_type="cartesian")
        icrs.representation_type = "unitspherical"
    ra, dec = float(icrs.ra.deg), float(icrs.dec.deg)
    if not np.isfinite([ra, dec]).all():
        raise RegionsError("the position is not a number")
    return ra, dec


def draw_region(region: Any, canvas: Canvas) -> PlacedMark:
    """Return the shape of a region on an image; raise `RegionsError` if it cannot be placed."""
    import regions

    if isinstance(region, regions.SkyRegion):
        if canvas.sky is None:
            raise RegionsError("the task has no sky coordinates (wcs)")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                region = region.to_pixel(canvas.sky.wcs)
        except Exception as error:  # the position is outside the domain of the projection
            raise RegionsError(f"the position of the object on the image cannot be computed: {first_line(error)}") from error
    return PlacedMark(_shape(region, canvas), partial(_footprint, region, canvas))


def _shape(region: PixelRegion, canvas: Canvas) -> Shape:
    import regions

    if isinstance(region, regions.CirclePixelRegion):
        return ellipse_of_array(region.center.x, region.center.y, region.radius, region.radius, 0, canvas)
    if isinstance(region, regions.EllipsePixelRegion):
        angle = region.angle.to_value("deg")
        return ellipse_of_array(region.center.x, region.center.y, region.width / 2, region.height / 2, angle, canvas)
    if isinstance(region, regions.RectanglePixelRegion):
        angle = region.angle.to_value("deg")
        return box_of_array(region.center.x, region.center.y, region.width, region.height, angle, canvas)
    if isinstance(region, regions.PointPixelRegion):
        return point_of_array(region.center.x, region.center.y, canvas)
    if isinstance(region, regions.PolygonPixelRegion):
        return polygon_of_array(np.stack([region.vertices.x, region.vertices.y], axis=1).astype(float), canvas)
    return _footprint(region, canvas)


def _footprint(region: PixelRegion, canvas: Canvas) -> Footprint:
    """Return the pixels of the image whose centres lie in a region, as `regions` computes them."""
    width, height = canvas.size
    around = region.bounding_box
    if (around.shape[0] * around.shape[1]) > MAX_PIXELS:
        raise RegionsError(
            f"the region has {around.shape[1]}x{around.shape[0]} pixels, more than the {MAX_PIXELS:,} that are read"
        )
    mask = region.to_mask(mode="center")
    on_image, of_mask = mask.get_overlap_slices((height, width))
    if on_image is None:
        raise RegionsError("the object lies outside the image")
    inside = mask.data[of_mask] > 0
    rows, columns = on_image
    return Footprint.of_mask(inside[::-1], x=columns.start, y=height - rows.stop)


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, or the name of its type."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__

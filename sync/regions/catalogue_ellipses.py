"""Ellipses of a catalogue's rows: in pixels of the array, or on the sky."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from astropy import units
from numpy.typing import NDArray

from sync.regions.array_shapes import ellipse_of_array
from sync.regions.marks import Canvas, Mark, PlacedMark, RegionsError
from sync.regions.table_columns import TableColumns

__all__ = ["Ellipses", "find_ellipses"]

_X = {"x_image": 1.0, "xwin_image": 1.0, "xpeak_image": 1.0, "xcentroid": 0.0, "x_centroid": 0.0}
"""Names of columns with x, and the coordinate of the centre of the first pixel."""
_Y = {"y_image": 1.0, "ywin_image": 1.0, "ypeak_image": 1.0, "ycentroid": 0.0, "y_centroid": 0.0}
_PIXEL_AXES = (("a_image", "b_image"), ("awin_image", "bwin_image"), ("semimajor_sigma", "semiminor_sigma"))
_PIXEL_ANGLES = ("theta_image", "thetawin_image", "orientation")
_SKY_AXES = (
    ("a_world", "b_world", units.deg),
    ("awin_world", "bwin_world", units.deg),
    ("a_arcsec", "b_arcsec", units.arcsec),
    ("semi_major_arcsec", "semi_minor_arcsec", units.arcsec),
    ("semi_major", "semi_minor", None),
    ("a", "b", None),
)
_SKY_ANGLES = ("theta_j2000", "theta_sky", "thetawin_j2000", "thetawin_sky", "position_angle", "pa")
_KRON = ("kron_radius",)


@dataclass(frozen=True, slots=True, eq=False)
class Ellipses:
    """The ellipses of all rows: centres in pixels of the array, or None for ellipses on the sky.

    Semi-axes are in pixels, or in degrees on the sky; angles are in degrees.
    """

    a: NDArray[np.float64]
    b: NDArray[np.float64]
    angle: NDArray[np.float64]
    middles: NDArray[np.float64] | None

    def mark(self, row: int, name: str, labels: tuple[str, ...], position: tuple[float, float] | None) -> Mark:
        """Return the mark of a row; raise `RegionsError` if the row has no valid ellipse."""
        a, b, angle = float(self.a[row]), float(self.b[row]), float(self.angle[row])
        if not (np.isfinite([a, b, angle]).all() and a > 0 and b > 0):
            raise RegionsError("the half-axes must be numbers above 0, and the angle a number")
        if self.middles is None:
            if position is None:
                raise RegionsError("the row has no position on the sky")
            return Mark(name, partial(_draw_on_sky, *position, a, b, angle), labels, position=position)
        x, y = self.middles[row].tolist()
        if not np.isfinite([x, y]).all():
            raise RegionsError("the row has no position in pixels")
        return Mark(name, partial(_draw_in_pixels, x, y, a, b, angle), labels)


def find_ellipses(columns: TableColumns, *, on_sky: bool) -> Ellipses | None:
    """Find the columns of ellipses of a catalogue.

    Parameters
    ----------
    columns : TableColumns
    on_sky : bool
        Whether a row has a position on the sky.

    Returns
    -------
    Ellipses or None
        None if the catalogue has no ellipses.

    Raises
    ------
    RegionsError
        If a column does not hold numbers, or has no unit.
    """
    kron = columns.numbers(columns.find(_KRON))
    scale = np.where(np.isfinite(kron) & (kron > 0), kron, 1.0)
    x, y = columns.find(_X), columns.find(_Y)
    axes = next((pair for pair in _PIXEL_AXES if all(name in columns for name in pair)), None)
    if x is not None and y is not None and axes is not None:
        middles = np.stack([columns.numbers(x) - _X[x], columns.numbers(y) - _Y[y]], axis=1)
        a, b = (columns.numbers(name) * scale for name in axes)
        return Ellipses(a, b, columns.angles(_PIXEL_ANGLES), middles)
    for major, minor, unit in _SKY_AXES:
        if on_sky and major in columns and minor in columns:
            a, b = (columns.degrees(name, unit) * scale for name in (major, minor))
            return Ellipses(a, b, columns.angles(_SKY_ANGLES), None)
    return None


def _draw_in_pixels(x: float, y: float, a: float, b: float, angle: float, canvas: Canvas) -> PlacedMark:
    return PlacedMark(ellipse_of_array(x, y, a, b, angle, canvas))


def _draw_on_sky(ra: float, dec: float, a: float, b: float, angle: float, canvas: Canvas) -> PlacedMark:
    """Place an ellipse by two opposite points of its major axis, each half a semi-axis from the centre."""
    from astropy.coordinates import SkyCoord

    if canvas.sky is None:
        raise RegionsError("the task has no sky coordinates (wcs)")
    middle = SkyCoord(ra, dec, unit="deg")
    ends = middle.directional_offset_by([angle, angle + 180] * units.deg, a / 2 * units.deg)
    places = np.array([[ra, dec], *zip(ends.ra.deg, ends.dec.deg, strict=True)])
    (x, y), first_end, second_end = canvas.sky.pixels(places)
    along = first_end - second_end
    if not np.isfinite([x, y, *along]).all():
        raise RegionsError("the position of the object on the image cannot be computed")
    semi_major = float(np.hypot(*along))
    turn = float(np.degrees(np.arctan2(along[1], along[0])))
    return PlacedMark(ellipse_of_array(float(x), float(y), semi_major, semi_major * b / a, turn, canvas))

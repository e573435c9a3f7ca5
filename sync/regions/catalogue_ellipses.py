"""Ellipses of a catalogue's rows: in pixels of the array, or on the sky."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from astropy import units
from numpy.typing import NDArray

from sync.regions.array_shapes import ellipse_of_array
from sync.regions.marks import Canvas, Drawn, Mark, RegionsError

__all__ = ["Ellipses"]


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
            raise RegionsError("its half-axes must be numbers above 0, and its angle a number")
        if self.middles is None:
            if position is None:
                raise RegionsError("it has no position on the sky")
            return Mark(name, partial(_draw_on_sky, *position, a, b, angle), labels, position=position)
        x, y = self.middles[row].tolist()
        if not np.isfinite([x, y]).all():
            raise RegionsError("it has no place in pixels")
        return Mark(name, partial(_draw_in_pixels, x, y, a, b, angle), labels)


def _draw_in_pixels(x: float, y: float, a: float, b: float, angle: float, canvas: Canvas) -> Drawn:
    return Drawn(ellipse_of_array(x, y, a, b, angle, canvas))


def _draw_on_sky(ra: float, dec: float, a: float, b: float, angle: float, canvas: Canvas) -> Drawn:
    """Place an ellipse by two opposite points of its major axis, each half a semi-axis from the centre."""
    from astropy.coordinates import SkyCoord

    if canvas.sky is None:
        raise RegionsError("the task has no sky coordinates (wcs)")
    middle = SkyCoord(ra, dec, unit="deg")
    ends = middle.directional_offset_by([angle, angle + 180] * units.deg, a / 2 * units.deg)
    places = np.array([[ra, dec], *zip(ends.ra.deg, ends.dec.deg, strict=True)])
    (x, y), one, other = canvas.sky.pixels(places)
    along = one - other
    if not np.isfinite([x, y, *along]).all():
        raise RegionsError("its place cannot be found on the picture")
    semi_major = float(np.hypot(*along))
    turn = float(np.degrees(np.arctan2(along[1], along[0])))
    return Drawn(ellipse_of_array(float(x), float(y), semi_major, semi_major * b / a, turn, canvas))

"""Angles on an image and on the sky."""

from __future__ import annotations

import math

import numpy as np

from sync.sky.celestial import CelestialSky

__all__ = ["position_angle_on_sky"]

STEP_PX = 0.5
"""Half the step along the direction, pixels."""


def position_angle_on_sky(sky: CelestialSky, x: float, y: float, angle_deg: float) -> float:
    """Return the position angle of a direction, degrees from north through east in [0, 180); NaN off the map.

    Parameters
    ----------
    sky : CelestialSky
    x, y : float
        Place in the file's array, pixels; the middle of the first pixel is (0, 0).
    angle_deg : float
        Direction from x towards y, degrees.
    """
    turn = math.radians(angle_deg)
    along = np.array([-STEP_PX, STEP_PX])
    places = np.radians(sky.positions(x + along * math.cos(turn), y + along * math.sin(turn)))
    (ra, dec), (ra_end, dec_end) = places
    east = math.remainder(ra_end - ra, 2 * math.pi) * math.cos((dec + dec_end) / 2)
    return math.degrees(math.atan2(east, dec_end - dec)) % 180.0

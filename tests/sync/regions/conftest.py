"""Fixtures: a task with a WCS, and everything that is needed to place regions on it."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.wcs import WCS

from sync.regions.marks import Canvas
from sync.sky.reader import read_sky


def sky_of_canvas(width: int, height: int, *, ra: float = 150.0, dec: float = 2.0, scale_arcsec: float = 0.4) -> WCS:
    """Return a tangential WCS, rotated by 30 degrees."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [ra, dec]
    wcs.wcs.crpix = [width / 2 + 0.5, height / 2 + 0.5]
    turn, step = np.radians(30), scale_arcsec / 3600
    wcs.wcs.cd = [[-step * np.cos(turn), step * np.sin(turn)], [step * np.sin(turn), step * np.cos(turn)]]
    wcs.pixel_shape = (width, height)
    return wcs


@pytest.fixture
def canvas() -> Canvas:
    """Return an image that is wider than high, so that swapped axes are detected."""
    return Canvas((64, 48), read_sky(sky_of_canvas(64, 48).to_header()))

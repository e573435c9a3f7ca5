"""Fixtures: a sky with one star, as FITS mosaics."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from sync.importing.inputs.catalogue import Position

STAR = Position(150.1, 2.2)


@pytest.fixture
def star() -> Position:
    return STAR


@pytest.fixture
def mosaic(tmp_path: Path) -> Callable[..., Path]:
    """Write a mosaic of 400x300 pixels of 0.5 arcsec around the star, which is its brightest pixel."""

    def write(name: str, *, turned_deg: float = 0.0, shift_px: float = 0.0, flux: float = 1000.0, **cards: object) -> Path:
        wcs = WCS(naxis=2)
        wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
        wcs.wcs.crval = [STAR.ra + 0.003, STAR.dec - 0.004]
        wcs.wcs.crpix = [200.5 + shift_px, 150.5]
        turn, scale = np.radians(turned_deg), 0.5 / 3600
        wcs.wcs.cd = scale * np.array([[-np.cos(turn), np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        data = np.random.default_rng(1).normal(10, 1, (300, 400)).astype(np.float32)
        x, y = (float(value) for value in wcs.world_to_pixel(SkyCoord(STAR.ra, STAR.dec, unit="deg")))
        rows, columns = np.indices(data.shape)
        data += flux * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 4)
        file = tmp_path / name
        fits.PrimaryHDU(data, wcs.to_header()).writeto(file, overwrite=True)
        for key, value in cards.items():
            fits.setval(file, key, value=value)
        return file

    return write

"""Fixtures: FITS files with a galaxy whose parameters are known."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray
from scipy import ndimage

Draw = Callable[..., NDArray[np.float32]]
MakeFits = Callable[..., bytes]

OVERSAMPLING = 5
PSF_FWHM_PX = 3.0
SKY, NOISE = 20.0, 1.0
SCALE_ARCSEC = 0.2
ZERO_POINT = 25.0


@pytest.fixture
def draw_galaxy() -> Draw:
    """Return a function that draws an exponential disc through a Gaussian PSF of 3 pixels, with sky 20 and noise 1."""

    def draw(
        *,
        size: tuple[int, int] = (101, 101),
        centre: tuple[float, float] = (50.0, 50.0),
        re_px: float = 6.0,
        axis_ratio: float = 0.6,
        angle_deg: float = 30.0,
        flux: float = 20_000.0,
        seed: int = 0,
        noise: float = NOISE,
    ) -> NDArray[np.float32]:
        width, height = size
        step = 1 / OVERSAMPLING
        x = np.arange(width * OVERSAMPLING) * step - (1 - step) / 2 - centre[0]
        y = np.arange(height * OVERSAMPLING) * step - (1 - step) / 2 - centre[1]
        turn = np.radians(angle_deg)
        along = x * np.cos(turn) + y[:, None] * np.sin(turn)
        across = (y[:, None] * np.cos(turn) - x * np.sin(turn)) / axis_ratio
        light = np.exp(-1.678 * np.hypot(along, across) / re_px)
        light *= flux / (2 * np.pi * axis_ratio * (re_px / 1.678) ** 2 * OVERSAMPLING**2)  # the total, also beyond the edge
        sigma = np.sqrt((PSF_FWHM_PX / 2.3548) ** 2 - 1 / 12) * OVERSAMPLING  # the sum over a pixel adds its width
        light = ndimage.gaussian_filter(light, sigma, mode="constant")
        pixels = light.reshape(height, OVERSAMPLING, width, OVERSAMPLING).sum(axis=(1, 3))
        random = np.random.default_rng(seed)
        return (pixels + SKY + noise * random.standard_normal(pixels.shape)).astype(np.float32)

    return draw


@pytest.fixture
def make_fits() -> MakeFits:
    """Return a function that makes a FITS file with sky coordinates, zero point and seeing."""

    def make(pixels: NDArray[Any], *, rotation_deg: float = 0.0, without: tuple[str, ...] = (), **cards: Any) -> bytes:
        turn = np.radians(rotation_deg)
        step = SCALE_ARCSEC / 3600
        header = fits.Header(
            {
                "CTYPE1": "RA---TAN",
                "CTYPE2": "DEC--TAN",
                "CRVAL1": 150.0,
                "CRVAL2": 2.0,
                "CRPIX1": (pixels.shape[1] + 1) / 2,
                "CRPIX2": (pixels.shape[0] + 1) / 2,
                "CD1_1": -step * np.cos(turn),
                "CD1_2": step * np.sin(turn),
                "CD2_1": step * np.sin(turn),
                "CD2_2": step * np.cos(turn),
                "MAGZERO": ZERO_POINT,
                "PSF_FWHM": PSF_FWHM_PX * SCALE_ARCSEC,
                "FILTER": "r",
                **cards,
            }
        )
        for name in without:
            del header[name]
        content = io.BytesIO()
        fits.PrimaryHDU(pixels, header).writeto(content)
        return content.getvalue()

    return make

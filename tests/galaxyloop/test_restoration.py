"""`restore` and `denoise` return what `galaxyloop restore` writes, for an image in memory."""

from __future__ import annotations

import io

import numpy as np
import pytest
from astropy.io import fits

import galaxyloop
from backend.heads.structure.psf import PsfError, gaussian_psf
from sync.errors.images import ImageError

pytestmark = pytest.mark.slow

CARDS = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.1, "CRVAL2": 2.2, "CRPIX1": 24.5, "CRPIX2": 24.5}
SCALES = {"CDELT1": -1e-4, "CDELT2": 1e-4, "BUNIT": "nanomaggy"}


def values(bands: int = 1) -> np.ndarray:
    rows, columns = np.indices((48, 48)) - 24
    light = 90 * np.exp(-(rows**2 + columns**2) / 12)
    image = light + np.random.default_rng(0).normal(20, 1, (bands, 48, 48))
    return (image[0] if bands == 1 else image).astype(np.float32)


def load(bands: int = 1, **cards: float) -> galaxyloop.Image:
    return galaxyloop.load_image(values(bands), header=fits.Header(CARDS | SCALES | cards))


def test_a_restored_image_is_sharper_and_keeps_its_sky_coordinates() -> None:
    image = load()
    restoration = galaxyloop.restore(image, gaussian_psf(4.0).pixels)
    assert restoration.psf == "given"
    assert restoration.values.shape == restoration.uncertainty.shape == (48, 48)
    assert restoration.values.max() - 20 > 1.1 * (values().max() - 20)
    assert restoration.image.data["ra"] == pytest.approx(image.data["ra"])
    with fits.open(io.BytesIO(restoration.image.content)) as file:
        assert file[0].header["BUNIT"] == "nanomaggy"
        assert np.allclose(file["UNCERT"].data, restoration.uncertainty)


def test_the_psf_is_read_from_the_header() -> None:
    assert galaxyloop.restore(load(FWHM=4.0)).psf == "header"


def test_all_bands_are_denoised() -> None:
    restoration = galaxyloop.denoise(load(3))
    assert restoration.psf == "none"
    assert restoration.values.shape == (3, 48, 48)
    assert restoration.values[:, :12].std() < 0.5 * values(3)[:, :12].std()


def test_what_cannot_be_restored_is_one_sentence() -> None:
    with pytest.raises(ImageError, match="the PSF is not known: the header has none of the cards"):
        galaxyloop.restore(load())
    with pytest.raises(PsfError, match="0 in all pixels"):
        galaxyloop.restore(load(), np.zeros((9, 9)))
    with pytest.raises(ImageError, match="displayed brightness"):
        galaxyloop.denoise(galaxyloop.load_image(np.full((32, 32, 3), 80, np.uint8)))

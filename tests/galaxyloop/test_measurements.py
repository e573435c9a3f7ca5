"""`measure` returns the catalogue of `galaxyloop measure` for an image in memory."""

from __future__ import annotations

import io

import numpy as np
import pytest
from astropy.io import fits
from astropy.modeling.models import Gaussian2D, Sersic2D
from scipy.signal import fftconvolve

import galaxyloop
from sync.errors.images import ImageError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def psf() -> np.ndarray:
    """Return a Gaussian PSF of 2.8 px FWHM."""
    rows, columns = np.mgrid[:25, :25]
    return np.asarray(Gaussian2D(1, 12, 12, 1.2, 1.2)(columns, rows))


@pytest.fixture(scope="module")
def image(psf: np.ndarray) -> galaxyloop.Image:
    """Return an exponential galaxy of 6 px half-light radius and axis ratio 0.6, with noise, seen through the PSF."""
    rows, columns = np.mgrid[:96, :96]
    light = Sersic2D(40, 6, 1, 48, 48, ellip=0.4, theta=0.5)(columns, rows)
    image = fftconvolve(light, psf / psf.sum(), mode="same") + np.random.default_rng(0).normal(0, 0.5, light.shape)
    return galaxyloop.load_image(image.astype(np.float32), header=fits.Header({"MAGZERO": 25.0}))


def test_the_central_galaxy_has_its_true_shape_within_the_errors(image: galaxyloop.Image, psf: np.ndarray) -> None:
    (row,) = galaxyloop.measure(image, psf=psf, only_central=True)
    for name, truth in (("re_px", 6), ("axis_ratio", 0.6), ("sersic_n", 1)):
        assert row[name] == pytest.approx(truth, abs=max(5 * row[f"{name}_err"], 0.05 * truth))
    assert row["psf"] == "given"
    assert row["mag"] == pytest.approx(14.966, abs=0.05)  # 25 - 2.5 log10 of the integral of the profile


def test_an_image_without_a_zero_point_has_no_magnitude_unless_it_is_given(image: galaxyloop.Image, psf: np.ndarray) -> None:
    with_zero_point = galaxyloop.measure(image, psf=psf, only_central=True)["mag"][0]
    bare = galaxyloop.load_image(fits.getdata(io.BytesIO(image.content)).astype(np.float32))
    assert np.ma.is_masked(galaxyloop.measure(bare, psf=psf, only_central=True)["mag"][0])
    assert galaxyloop.measure(bare, psf=psf, zero_point=25.0, only_central=True)["mag"][0] == pytest.approx(with_zero_point)


def test_empty_sky_is_rejected() -> None:
    sky = np.random.default_rng(1).normal(0, 1, (64, 64)).astype(np.float32)
    with pytest.raises(ImageError, match="no object stands out"):
        galaxyloop.measure(galaxyloop.load_image(sky))


def test_a_zero_point_a_seeing_or_a_scale_that_is_no_such_number_is_named(image: galaxyloop.Image) -> None:
    with pytest.raises(ValueError, match="zero_point = 99 is a placeholder"):
        galaxyloop.measure(image, zero_point=99.0)
    with pytest.raises(ValueError, match="seeing_arcsec = -1 is not a positive number"):
        galaxyloop.measure(image, seeing_arcsec=-1.0)
    with pytest.raises(ValueError, match="pixel_scale_arcsec = nan is not a positive number"):
        galaxyloop.measure(image, pixel_scale_arcsec=float("nan"))


def test_the_pixel_scale_gives_arcseconds_and_the_seeing_a_psf(image: galaxyloop.Image) -> None:
    table = galaxyloop.measure(image, seeing_arcsec=0.7, pixel_scale_arcsec=0.25, only_central=True)
    assert table["psf"][0] == "seeing"
    assert table["re_arcsec"][0] == pytest.approx(0.25 * table["re_px"][0])
    assert table.meta["problems"] == []


def test_a_seeing_without_a_scale_and_a_width_larger_than_the_image_are_listed(image: galaxyloop.Image) -> None:
    values = fits.getdata(io.BytesIO(image.content)).astype(np.float32)
    with_card = galaxyloop.load_image(values, header=fits.Header({"FWHM": 900.0}))
    table = galaxyloop.measure(with_card, seeing_arcsec=0.7, only_central=True)
    header_problem, seeing_problem = table.meta["problems"]
    assert table["psf"][0] == "none"
    assert header_problem.startswith("the width of a star in the header is not used: the PSF of 3")
    assert seeing_problem == "the given seeing is not used: the seeing is in arcsec, and the pixel scale is unknown"

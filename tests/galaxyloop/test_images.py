"""`load_image` reads files and arrays, with the sky coordinates of FITS headers."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

import galaxyloop
from sync.errors.images import ImageError


@pytest.fixture
def header() -> fits.Header:
    """Return the header of an image of 80 by 60 pixels with its centre at RA 150, Dec 2 degrees."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval, wcs.wcs.crpix, wcs.wcs.cdelt = [150.0, 2.0], [40.5, 30.5], [-1e-4, 1e-4]
    return wcs.to_header()


def test_displayed_pixels_are_unchanged() -> None:
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    assert np.array_equal(np.rint(galaxyloop.load_image(pixels).pixels * 255), pixels)


def test_an_array_of_measured_values_equals_its_fits_file(header: fits.Header, tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(10, 1, (60, 80)).astype(np.float32)
    fits.PrimaryHDU(values, header).writeto(tmp_path / "a.fits")
    array, file = galaxyloop.load_image(values, header=header), galaxyloop.load_image(tmp_path / "a.fits")
    assert np.array_equal(array.pixels, file.pixels)
    assert (array.data["ra"], array.data["dec"]) == (file.data["ra"], file.data["dec"])


def test_positions_are_those_of_the_header(header: fits.Header) -> None:
    image = galaxyloop.load_image(np.random.default_rng(0).normal(0, 1, (60, 80)), header=header)
    x, y = np.array([0.5, 30.5]), np.array([0.5, 12.5])  # y from the top
    truth = WCS(header).pixel_to_world(x - 0.5, 60 - y - 0.5)
    assert image.positions(x, y) == pytest.approx(np.stack([truth.ra.deg, truth.dec.deg], axis=1), abs=1e-9)


def test_an_image_without_coordinates_has_no_positions() -> None:
    image = galaxyloop.load_image(np.zeros((4, 4), np.uint8))
    assert image.wcs is None
    assert image.positions(np.array([1.0]), np.array([1.0])) is None


@pytest.mark.parametrize("shape", [(3, 4, 5, 6), (7,), (0, 3)])
def test_an_array_of_another_shape_is_rejected(shape: tuple[int, ...]) -> None:
    with pytest.raises(ImageError, match="is no image"):
        galaxyloop.load_image(np.zeros(shape))


def test_wrong_arguments_are_rejected(header: fits.Header, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown stretch 'log'"):
        galaxyloop.load_image(np.zeros((4, 4)), stretch="log")
    with pytest.raises(ValueError, match="a FITS file has its own"):
        galaxyloop.load_image(tmp_path / "a.fits", header=header)
    with pytest.raises(FileNotFoundError):
        galaxyloop.load_image(tmp_path / "a.fits")


@pytest.mark.parametrize("source", [None, 5, [[1.0, 2.0]], fits.PrimaryHDU()])
def test_a_source_of_another_type_is_named(source: object) -> None:
    with pytest.raises(TypeError, match=f"a path, bytes or a NumPy array, not {type(source).__name__}$"):
        galaxyloop.load_image(source)  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", ["f2", ">f4", "f8", "g"])
def test_floating_point_numbers_of_each_size_are_read(dtype: str) -> None:
    values = np.random.default_rng(0).normal(10, 1, (40, 50)).astype(dtype)
    read_values = fits.getdata(io.BytesIO(galaxyloop.load_image(values).content))
    assert np.array_equal(read_values, values.astype(np.float64))


def test_masked_pixels_of_an_array_have_no_value() -> None:
    values = np.ma.masked_greater(np.random.default_rng(0).normal(10, 1, (40, 50)).astype(np.float32), 11)
    assert np.array_equal(np.isnan(fits.getdata(io.BytesIO(galaxyloop.load_image(values).content))), values.mask)


@pytest.mark.parametrize("call", ["measure", "restore", "denoise", "detect", "classify", "embed"])
@pytest.mark.parametrize("argument", ["galaxy.fits", np.zeros((4, 4)), ["galaxy.fits"], None])
def test_a_function_names_what_it_needs_instead_of_a_path_or_an_array(call: str, argument: object) -> None:
    options = {"encoder": "shipped"} if call == "embed" else {}
    with pytest.raises(TypeError, match=r"give an image from galaxyloop\.load_image, not (str|ndarray|list|NoneType)$"):
        getattr(galaxyloop, call)(argument, **options)


@pytest.mark.parametrize("call", [galaxyloop.classify, galaxyloop.embed])
def test_no_image_is_rejected(call: Callable[..., object]) -> None:
    options = {"encoder": "shipped"} if call is galaxyloop.embed else {}
    with pytest.raises(ValueError, match="give at least one image"):
        call([], **options)


def test_points_and_boxes_of_another_shape_are_named() -> None:
    image = galaxyloop.load_image(np.zeros((40, 50), np.uint8))
    with pytest.raises(ValueError, match=r"points must be a list of pairs \(x, y\), not \(3, 4\)"):
        galaxyloop.segment(image, points=(3, 4))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"box must be \(left, top, right, bottom\), not \(1, 2, 3\)"):
        galaxyloop.segment(image, box=(1, 2, 3))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="not str"):
        galaxyloop.segment("galaxy.fits", points=[(1, 1)])  # type: ignore[arg-type]

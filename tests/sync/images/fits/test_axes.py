"""Colours of FITS images: red is red, whatever axis has the colours."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray

from sync.images.decode import decode
from sync.images.display import display
from sync.images.fits.reader import read_bands
from sync.images.sky import sky_of
from sync.images.stretches import STRETCHES

HEIGHT, WIDTH = 40, 50
RED, BLUE = (10, 12), (30, 35)
"""Row and column of a red and of a blue source in the file."""
SKY = {"CRVAL": (10.0, 2.0), "CRPIX": (25.0, 20.0), "CDELT": (-1e-4, 1e-4), "CTYPE": ("RA---TAN", "DEC--TAN")}


def colours(dtype: str = "f4") -> NDArray[Any]:
    """Return red, green and blue planes, shape (3, height, width), as photo software stores them."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    planes = np.random.default_rng(0).normal(20, 2, (3, HEIGHT, WIDTH))
    for (row, column), brightness in ((RED, (200, 60, 20)), (BLUE, (20, 60, 200))):
        source = np.exp(-np.hypot(x - column, y - row) / 3)
        planes += np.array(brightness)[:, None, None] * source
    return (planes / 255 if dtype == "f4" else planes * 200 if dtype == "u2" else planes).clip(0).astype(dtype)


def write_file(values: NDArray[Any], **cards: Any) -> bytes:
    file = io.BytesIO()
    fits.PrimaryHDU(values, fits.Header(cards)).writeto(file)
    return file.getvalue()


def with_alpha(planes: NDArray[Any]) -> NDArray[Any]:
    top = 255 if planes.dtype == np.uint8 else 1
    return np.concatenate([planes, np.full_like(planes[:1], top)])


def check(pixels: NDArray[Any]) -> None:
    assert pixels.shape == (HEIGHT, WIDTH, 3)
    red, blue = pixels[HEIGHT - 1 - RED[0], RED[1]], pixels[HEIGHT - 1 - BLUE[0], BLUE[1]]
    assert red[0] >= red[1] >= red[2] < red[0], red
    assert blue[2] >= blue[1] >= blue[0] < blue[2], blue


@pytest.mark.parametrize("dtype", ["f4", "u1", "u2", "i4"])
@pytest.mark.parametrize(
    "layout", ["first", "last", "middle", "first4", "last4", "lengthened", "lengthened-last", "alpha", "alpha-last"]
)
def test_declared_colours_are_red_green_and_blue(dtype: str, layout: str) -> None:
    rgb = colours(dtype)
    files = {
        "first": lambda: write_file(rgb, CTYPE3="RGB"),
        "last": lambda: write_file(np.moveaxis(rgb, 0, -1), CTYPE1="RGB"),
        "middle": lambda: write_file(np.moveaxis(rgb, 0, 1), CTYPE2="RGB"),
        "first4": lambda: write_file(rgb[:, None], CTYPE4="RGB"),
        "last4": lambda: write_file(np.moveaxis(rgb, 0, -1)[None], CTYPE1="RGB"),
        "lengthened": lambda: write_file(rgb[None], CTYPE3="RGB"),
        "lengthened-last": lambda: write_file(np.moveaxis(rgb, 0, -1)[None]),
        "alpha": lambda: write_file(with_alpha(rgb), CTYPE3="RGBA"),
        "alpha-last": lambda: write_file(np.moveaxis(with_alpha(rgb), 0, -1)),
    }
    data = files[layout]()
    check(decode(data))
    for stretch in STRETCHES:
        pixels = read_bands(data, max_pixels=10**6)
        image = pixels.to_rgb() if pixels.is_rgb else STRETCHES[stretch](pixels.planes, pixels.weights)
        check(image[::-1])


@pytest.mark.parametrize("layout", ["first", "last", "alpha", "degenerate"])
def test_eight_bit_colours_are_displayed_unchanged(layout: str) -> None:
    rgb = colours("u1")
    values = {
        "first": rgb,
        "last": np.moveaxis(rgb, 0, -1),
        "alpha": with_alpha(rgb),
        "degenerate": rgb[None],
    }[layout]
    data = write_file(values)
    assert decode(data) == pytest.approx(np.moveaxis(rgb, 0, -1)[::-1] / 255, abs=1e-6)
    for stretch in STRETCHES:
        assert display(data, stretch=stretch).image == display(data, stretch="lupton").image


@pytest.mark.parametrize("names", [("RED", "GREEN", "BLUE"), ("BLUE", "GREEN", "RED"), ("R", "G", "B"), ("B", "G", "R")])
@pytest.mark.parametrize("dtype", ["f4", "u1"])
def test_extensions_called_by_colours_are_those_colours(names: tuple[str, ...], dtype: str) -> None:
    rgb = dict(zip("RGB", colours(dtype), strict=True))
    file = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), *(fits.ImageHDU(rgb[name[0]], name=name) for name in names)]).writeto(file)
    check(decode(file.getvalue()))


def test_three_undeclared_planes_are_bands_from_the_bluest() -> None:
    bgr = colours()[::-1]
    check(decode(write_file(bgr)))
    assert np.array_equal(read_bands(write_file(bgr), max_pixels=10**6).planes, bgr)


@pytest.mark.parametrize(
    ("shape", "cards", "planes"),
    [
        ((3, 20, 20), {"CTYPE3": "WAVE"}, (3, 20, 20)),
        ((20, 20, 3), {"CTYPE3": "WAVE"}, (20, 20, 3)),  # a slit three pixels wide
        ((20, 20, 3), {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN"}, (20, 20, 3)),
        ((3, 4, 3), {}, (3, 4, 3)),
        ((5, 20, 20), {}, (5, 20, 20)),
        ((1, 1, 20, 30), {}, (1, 20, 30)),
        ((20, 30, 1), {}, (1, 20, 30)),
        ((1, 20, 30, 1), {}, (1, 20, 30)),
        ((2, 3, 20, 30), {}, (6, 20, 30)),
    ],
)
def test_other_axes_of_three_planes_are_bands(shape: tuple[int, ...], cards: dict[str, str], planes: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    assert read_bands(write_file(values, **cards), max_pixels=10**6).planes.shape == planes


def test_colours_as_the_first_axis_keep_their_place_on_the_sky() -> None:
    at = {f"{name}{axis + 1}": values[axis] for name, values in SKY.items() for axis in range(2)}
    cards = {f"{name}{axis + 2}": values[axis] for name, values in SKY.items() for axis in range(2)}
    rgb = colours()
    right = sky_of(read_bands(write_file(rgb, **at, CTYPE3="RGB"), max_pixels=10**6).header)
    last = sky_of(read_bands(write_file(np.moveaxis(rgb, 0, -1), **cards), max_pixels=10**6).header)
    assert right["ra"] == pytest.approx(10, abs=1e-3)
    assert {name: last[name] for name in ("ra", "dec", "pixel_scale_arcsec")} == pytest.approx(
        {name: right[name] for name in ("ra", "dec", "pixel_scale_arcsec")}
    )
    assert (last["wcs"]["NAXIS1"], last["wcs"]["NAXIS2"]) == (WIDTH, HEIGHT)

"""The band of an image that is measured, its calibration, and its valid pixels."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray
from PIL import Image

from backend.measurement.bands import choose_band
from backend.measurement.science import DISPLAY_BAND, ScienceImage, read_science
from backend.measurement.sky_angles import position_angle_on_sky
from sync.errors.images import ImageError

Draw = Callable[..., NDArray[np.float32]]
MakeFits = Callable[..., bytes]
PIXELS = 10**6


def test_a_band_that_is_put_into_another_order_keeps_its_place_in_the_file() -> None:
    """The bands of a cube called RED, GREEN and BLUE are read as blue, green and red."""
    cards = {"BAND0": "RED", "BAND1": "GREEN", "BAND2": "BLUE", "BUNIT0": "Jy", "BUNIT1": "mJy", "BUNIT2": "uJy"}
    cube = np.random.default_rng(0).normal(size=(3, 20, 20)).astype(np.float32) + np.arange(3)[:, None, None] * 100
    content = io.BytesIO()
    fits.PrimaryHDU(cube, fits.Header(cards)).writeto(content)
    for place, (band, unit) in enumerate((("RED", "Jy"), ("GREEN", "mJy"), ("BLUE", "uJy"))):
        image = read_science(content.getvalue(), max_pixels=10**6, band=band)
        assert (image.place, image.bands, image.unit) == (place, 3, unit)
        assert np.median(image.plane) == pytest.approx(100 * place, abs=1)


def read(content: bytes, **more: Any) -> ScienceImage:
    return read_science(content, max_pixels=PIXELS, **more)


def fits_of(*planes: tuple[NDArray[Any], dict[str, Any]]) -> bytes:
    content = io.BytesIO()
    parts = [fits.ImageHDU(plane, fits.Header(cards), name=str(cards["EXTNAME"])) for plane, cards in planes]
    fits.HDUList([fits.PrimaryHDU(), *parts]).writeto(content)
    return content.getvalue()


def test_a_fits_file_has_its_calibration(draw_galaxy: Draw, make_fits: MakeFits) -> None:
    image = read(make_fits(draw_galaxy(), BUNIT="adu", GAIN=2.5))
    assert (image.band, image.unit, image.zero_point, image.gain) == ("r", "adu", 25.0, 2.5)
    assert image.pixel_scale_arcsec == pytest.approx(0.2)
    assert image.is_linear
    assert image.from_bottom


def test_a_gain_is_not_applied_to_a_calibrated_flux(draw_galaxy: Draw, make_fits: MakeFits) -> None:
    assert read(make_fits(draw_galaxy(), BUNIT="nanomaggy", GAIN=2.5)).gain is None


def test_missing_and_saturated_pixels_are_left_out(draw_galaxy: Draw, make_fits: MakeFits) -> None:
    pixels = draw_galaxy()
    pixels[0, 0] = np.inf
    pixels[50, 50] = 70_000
    image = read(make_fits(pixels, SATURATE=60_000.0))
    assert np.isnan(image.plane[[0, 50], [0, 50]]).all()
    assert np.isfinite(image.plane).sum() == pixels.size - 2
    assert image.problems == ("1 pixels reach the saturation level of 60000 and are not used",)


def test_sky_coordinates_with_pixels_of_a_degree_are_not_used(draw_galaxy: Draw) -> None:
    content = io.BytesIO()
    cards = {
        "CTYPE1": "RA---TAN",
        "CTYPE2": "DEC--TAN",
        "CRVAL1": 150.0,
        "CRVAL2": 2.0,
        "CRPIX1": 50.0,
        "CRPIX2": 50.0,
        "CD1_1": 0.0,
    }
    fits.PrimaryHDU(draw_galaxy(), fits.Header(cards)).writeto(content)
    image = read_science(content.getvalue(), max_pixels=10**6)
    assert image.sky is None
    assert image.pixel_scale_arcsec is None
    assert image.problems == ("the sky coordinates are not used: a pixel would be 3600 arcsec wide",)


def test_padding_is_missing(draw_galaxy: Draw, make_fits: MakeFits) -> None:
    pixels = draw_galaxy()
    pixels[:, :30] = 0
    assert np.isnan(read(make_fits(pixels)).plane[:, :30]).all()


def test_each_extension_has_the_zero_point_of_its_own_header(draw_galaxy: Draw) -> None:
    bands = {name: {"EXTNAME": name, "FILTER": name, "MAGZERO": 20.0 + number} for number, name in enumerate("gri")}
    content = fits_of(*((draw_galaxy(seed=number), cards) for number, cards in enumerate(bands.values())))
    assert [read(content, band=name).zero_point for name in "gri"] == [20.0, 21.0, 22.0]
    assert read(content).band == "r"
    with pytest.raises(ImageError, match="no band 'z': it has g, r, i"):
        read(content, band="z")


def test_bands_without_names_are_chosen_by_number() -> None:
    assert choose_band((), 3, "") == 1
    assert choose_band((), 3, "3") == 2
    with pytest.raises(ImageError, match="no band 'r': it has 3 without names, called 1 to 3"):
        choose_band((), 3, "r")


def test_a_display_image_is_not_linear() -> None:
    content = io.BytesIO()
    Image.fromarray(np.full((20, 30, 3), 128, np.uint8)).save(content, "PNG")
    image = read(content.getvalue())
    assert (image.band, image.is_linear, image.zero_point, image.size) == (DISPLAY_BAND, False, None, (30, 20))
    with pytest.raises(ImageError, match="without bands"):
        read(content.getvalue(), band="r")


@pytest.mark.parametrize("rotation", [0.0, 25.0, 90.0, 200.0])
def test_the_position_angle_is_from_north_through_east(draw_galaxy: Draw, make_fits: MakeFits, rotation: float) -> None:
    sky = read(make_fits(draw_galaxy(), rotation_deg=rotation)).sky
    assert sky is not None
    start = sky.positions(50.0, 50.0)[0]
    turn = np.radians(90.0 + 40.0)  # in the array, with north up and east left: 40 degrees from north through east
    end = sky.positions(50.0 + np.cos(turn), 50.0 + np.sin(turn))[0]
    east, north = (end[0] - start[0]) * np.cos(np.radians(2.0)), end[1] - start[1]
    expected = np.degrees(np.arctan2(east, north)) % 180
    assert position_angle_on_sky(sky, 50.0, 50.0, 130.0) == pytest.approx(expected, abs=0.01)
    if rotation == 0:
        assert expected == pytest.approx(40.0, abs=0.01)

"""Point spread functions: what is accepted, what is rejected in one sentence, and the stars of an image."""

from __future__ import annotations

import io
import re
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from backend.heads.structure.psf import PsfError, gaussian_psf, make_psf, psf_from_header, psf_of_band, read_psfs, require_fit
from backend.heads.structure.star_psf import psf_from_stars


def test_gaussian_psf_has_sum_one_and_the_given_width() -> None:
    psf = gaussian_psf(3.0)
    steps = np.arange(len(psf.pixels)) - len(psf.pixels) // 2
    sigma = np.sqrt(psf.pixels.sum(axis=0) @ steps**2)
    assert psf.pixels.sum() == pytest.approx(1)
    assert sigma * 2.3548 == pytest.approx(3.0, rel=0.002)
    assert psf.fwhm_px == pytest.approx(3.0, rel=0.03)


@pytest.mark.parametrize("fwhm", [0.0, -2.0, float("nan"), float("inf"), 0.2, 1e9])
def test_gaussian_of_an_impossible_width_is_rejected(fwhm: float) -> None:
    with pytest.raises(PsfError, match=r"at least 0\.5"):
        gaussian_psf(fwhm)


def test_pixels_are_normalised_and_the_peak_moves_to_the_middle() -> None:
    pixels = np.zeros((6, 9))
    pixels[2, 5], pixels[2, 6] = 30, 10
    psf = make_psf(pixels)
    middle = psf.pixels.shape[0] // 2
    assert psf.pixels.shape[0] == psf.pixels.shape[1]
    assert psf.pixels[middle, middle] == pytest.approx(0.75)
    assert psf.pixels.sum() == pytest.approx(1)


def test_centre_of_a_psf_between_two_pixels_is_known() -> None:
    y, x = np.mgrid[:20, :20]
    psf = make_psf(np.exp(-0.5 * ((x - 9.5) ** 2 + (y - 10) ** 2) / 2))
    assert psf.centre_offset_px == pytest.approx((0.5, 0.0), abs=0.01)


@pytest.mark.parametrize(
    ("pixels", "reason"),
    [
        (np.zeros((7, 7)), "0 in all pixels"),
        (np.full((7, 7), np.nan), "49 pixels that are NaN"),
        (-np.ones((7, 7)), "must be positive"),
        (np.ones((7, 7)), "same value"),
        (np.ones(7), "two axes"),
        (np.zeros((0, 4)), "two axes"),
        (np.float64(1.0), "two axes, not a single pixel"),
        (np.eye(7), "border"),
        (np.pad([[20.0]], 3, constant_values=-0.35), "subtract its sky"),
    ],
)
def test_unusable_pixels_are_rejected_in_one_sentence(pixels: np.ndarray, reason: str) -> None:
    with pytest.raises(PsfError, match=reason):
        make_psf(pixels)


def test_star_with_its_sky_is_rejected_and_the_wings_of_a_close_cut_are_not() -> None:
    star = gaussian_psf(3.5).pixels
    rng = np.random.default_rng(1)
    with pytest.raises(PsfError, match=r"a sky of 0\.00\d+ per pixel, 5\d% of its light: subtract its sky"):
        make_psf(np.pad(star, 6) + 1.2 / (len(star) + 12) ** 2 * rng.normal(1, 0.1, (len(star) + 12,) * 2))
    y, x = np.mgrid[-7:8, -7:8]
    make_psf((1 + (x**2 + y**2) / 15.3) ** -1.5)


def test_psf_larger_than_the_image_is_rejected_but_its_faint_wings_may_be() -> None:
    wide = gaussian_psf(20.0)
    with pytest.raises(PsfError, match="larger than the image, 12x30"):
        require_fit(wide, (30, 12))
    require_fit(make_psf(np.pad(gaussian_psf(2.0).pixels, 40)), (16, 16))


def test_psf_of_a_file_is_read_and_a_table_is_rejected(tmp_path: Path) -> None:
    fits.writeto(tmp_path / "psf.fits", gaussian_psf(2.5).pixels * 40)
    assert read_psfs(tmp_path / "psf.fits")[0].pixels == pytest.approx(gaussian_psf(2.5).pixels)
    fits.BinTableHDU.from_columns([fits.Column("a", "E", array=[1.0])]).writeto(tmp_path / "table.fits")
    with pytest.raises(PsfError, match=r"table\.fits: the file has no image"):
        read_psfs(tmp_path / "table.fits")
    (tmp_path / "text.fits").write_text("not FITS")
    with pytest.raises(PsfError, match=r"text\.fits: the file of the PSF is not a FITS file$"):
        read_psfs(tmp_path / "text.fits")
    with pytest.raises(PsfError, match=r"missing\.fits: the file of the PSF cannot be read: No such file or directory$"):
        read_psfs(tmp_path / "missing.fits")


def test_psf_that_claims_many_pixels_is_rejected_by_its_header() -> None:
    file = io.BytesIO()
    tiles = fits.CompImageHDU(np.zeros((4096, 2048), np.int16), compression_type="RICE_1")
    fits.HDUList([fits.PrimaryHDU(), tiles]).writeto(file)
    assert len(file.getvalue()) < 200_000
    tracemalloc.start()
    with pytest.raises(PsfError, match=r"\[2048, 4096\] pixels, more than the 4194304"):
        read_psfs(file.getvalue())
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()


def test_psf_in_a_codec_that_can_crash_the_process_is_rejected() -> None:
    file = io.BytesIO()
    tiles = fits.CompImageHDU(np.pad(gaussian_psf(2.5).pixels, 20), compression_type="HCOMPRESS_1")
    fits.HDUList([fits.PrimaryHDU(), tiles]).writeto(file)
    with pytest.raises(PsfError, match="compressed with HCOMPRESS_1"):
        read_psfs(file.getvalue())


def test_a_cube_has_a_psf_for_each_band(tmp_path: Path) -> None:
    fits.writeto(tmp_path / "psf.fits", np.stack([gaussian_psf(2.5).pixels, gaussian_psf(2.4).pixels]))
    psfs = read_psfs(tmp_path / "psf.fits")
    assert [psf_of_band(psfs, place, bands=2).fwhm_px for place in (0, 1)] == pytest.approx([2.5, 2.4], rel=0.01)
    assert psf_of_band(psfs[:1], 4, bands=5) is psfs[0]
    for bands, count in ((1, "1 band"), (3, "3 bands")):
        with pytest.raises(PsfError, match=f"has 2 PSFs, and the image {count}: give one PSF, or one for each band"):
            psf_of_band(psfs, 0, bands=bands)


@pytest.mark.parametrize(
    ("cards", "sentence"),
    [
        ({"SEEING": "n/a"}, "the header gives SEEING = 'n/a', and the FWHM of a star is a positive number"),
        (
            {"FWHM": -1.0, "PSF_FWHM": 0},
            "the header gives PSF_FWHM = 0 and FWHM = -1.0, and the FWHM of a star is a positive number",
        ),
        ({"FWHM": 5000.0}, "the header gives FWHM = 5000 pixels: the FWHM of the PSF is 5000 pixels: it must be at least"),
        ({}, "the header has none of the cards PSF_FWHM"),
    ],
)
def test_a_width_in_the_header_that_cannot_be_used_is_quoted(cards: dict[str, Any], sentence: str) -> None:
    with pytest.raises(PsfError, match=re.escape(sentence)):
        psf_from_header(fits.Header(cards), pixel_scale_arcsec=0.5)


def test_width_in_the_header_is_read_with_its_unit() -> None:
    header = fits.Header([("SEEING", 1.2, "[arcsec] median"), ("FWHM", 7.0)])
    assert psf_from_header(header, pixel_scale_arcsec=0.4).fwhm_px == pytest.approx(3.0, rel=0.03)
    assert psf_from_header(header, pixel_scale_arcsec=0.4).source == "header"
    pixels = fits.Header([("FWHM", 4.0, "median FWHM in pixels")])
    assert psf_from_header(pixels, pixel_scale_arcsec=None).fwhm_px == pytest.approx(4.0, rel=0.03)


def test_header_without_a_usable_width_is_rejected() -> None:
    with pytest.raises(PsfError, match=r"SEEING = 'good' and FWHM = -1\.0"):
        psf_from_header(fits.Header([("SEEING", "good"), ("FWHM", -1.0)]), pixel_scale_arcsec=0.4)
    with pytest.raises(PsfError, match="pixel scale is unknown"):
        psf_from_header(fits.Header([("SEEING", 1.2)]), pixel_scale_arcsec=None)


def field_of_stars(count: int, *, fwhm_px: float, galaxies: int = 0) -> np.ndarray:
    rng = np.random.default_rng(7)
    image = rng.normal(100, 1, (300, 300))
    stamp = gaussian_psf(fwhm_px).pixels
    half = stamp.shape[0] // 2
    cells = rng.permutation(81)[: count + galaxies]
    for number, cell in enumerate(cells):
        x, y = 30 + 30 * (cell % 9), 30 + 30 * (cell // 9)
        if number < count:
            image[y - half : y + half + 1, x - half : x + half + 1] += stamp * rng.uniform(3000, 20000)
        else:
            rows, columns = np.mgrid[:300, :300]
            image += 200 * np.exp(-np.hypot(rows - y, columns - x) / rng.uniform(2.5, 5))
    return image


@pytest.mark.slow
def test_psf_of_narrow_stars_between_pixels_keeps_its_peak() -> None:
    rng = np.random.default_rng(3)
    image, width = rng.normal(100, 1, (360, 360)), 2.0 / 2.3548
    for x, y in (np.mgrid[30:340:50, 30:340:50].reshape(2, -1).T + rng.uniform(-0.5, 0.5, (49, 2))).tolist():
        along, across = (np.exp(-((np.arange(360) - place) ** 2) / (2 * width**2)) for place in (x, y))
        image += rng.uniform(3000, 20000) * np.outer(across, along) / (2 * np.pi * width**2)
    assert psf_from_stars(image).pixels.max() == pytest.approx(1 / (2 * np.pi * width**2), rel=0.04)


def test_psf_of_stars_is_the_psf_of_the_simulated_field() -> None:
    psf = psf_from_stars(field_of_stars(20, fwhm_px=3.0, galaxies=8))
    assert psf.source == "stars"
    assert psf.fwhm_px == pytest.approx(3.0, rel=0.05)


def test_image_without_stars_gives_a_reason() -> None:
    with pytest.raises(PsfError, match="needs 5"):
        psf_from_stars(field_of_stars(2, fwhm_px=3.0))
    with pytest.raises(PsfError, match="no valid pixel"):
        psf_from_stars(np.full((50, 50), np.nan))
    with pytest.raises(PsfError, match="0 bright"):
        psf_from_stars(np.ones((50, 50)))

"""`galaxyloop restore` writes restored FITS files, and names images and PSFs that it cannot use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from scipy import ndimage
from typer.testing import Result

from backend.heads.structure.psf import gaussian_psf

RNG = np.random.default_rng(0)
Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, run: Run) -> None:
    """Write two images of galaxies, a PSF, and inputs that cannot be used."""
    light = np.zeros((48, 40))
    light[24, 20], light[10, 12] = 400, 150
    image = (ndimage.gaussian_filter(light, 1.9) + RNG.normal(20, 0.4, light.shape)).astype(np.float32)
    fits.writeto(tmp_path / "a.fits", image)
    fits.writeto(tmp_path / "b.fits", image[::-1].copy())
    fits.writeto(tmp_path / "psf.fits", 7 * gaussian_psf(4.0).pixels)
    fits.writeto(tmp_path / "zero.fits", np.zeros((15, 15)))
    fits.writeto(tmp_path / "nan.fits", np.full((15, 15), np.nan))
    fits.writeto(tmp_path / "wide.fits", gaussian_psf(30.0).pixels)
    fits.writeto(tmp_path / "tiny.fits", image[:8, :8].copy())
    (tmp_path / "empty").mkdir()


def test_an_image_is_sharper_and_keeps_its_flux(run: Run) -> None:
    result = run("restore", "a.fits", "--psf", "psf.fits", "--output", "out/restored.fits")
    assert result.exit_code == 0, result.output
    with fits.open("out/restored.fits") as file:
        restoration, spread = file[0].data, file["UNCERT"].data
    observation = fits.getdata("a.fits")
    assert restoration[24, 20] - 20 > 1.5 * (observation[24, 20] - 20)
    assert (restoration - 20)[14:35, 10:31].sum() == pytest.approx((observation - 20)[14:35, 10:31].sum(), rel=0.04)
    assert np.std(restoration[:, 30:]) < 0.5 * np.std(observation[:, 30:])
    assert (spread > 0).all()


def test_several_images_are_written_into_a_folder_and_a_bad_one_is_listed(run: Run) -> None:
    result = run("restore", "a.fits", "b.fits", "tiny.fits", "nosuch.fits", "--denoise", "--output", "out")
    assert result.exit_code == 1
    assert sorted(path.name for path in Path("out").iterdir()) == ["a.fits", "b.fits"]
    assert "tiny.fits: the image has 8x8 pixels" in result.stderr
    assert "nosuch.fits: there is no such file" in result.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("a.fits", "--psf", "psf.fits", "--denoise"), "exclude each other"),
        (("a.fits", "--psf", "nosuch.fits"), "there is no file nosuch.fits"),
        (("a.fits", "--psf", "zero.fits"), "0 in all pixels"),
        (("a.fits", "--psf", "nan.fits"), "NaN or infinite"),
        (("empty", "--denoise"), "there is no image in empty"),
    ],
)
def test_a_wrong_call_is_one_sentence(run: Run, words: tuple[str, ...], sentence: str) -> None:
    result = run("restore", *words, "--output", "out.fits")
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert sentence in line


def test_without_a_psf_an_image_is_refused_in_one_sentence(run: Run) -> None:
    result = run("restore", "a.fits", "--output", "out.fits")
    assert result.exit_code == 1
    (line,) = [line for line in result.stderr.splitlines() if "a.fits" in line]
    assert "the PSF is not known: the header has none of the cards PSF_FWHM" in line
    assert line.endswith("give it with --psf, or --denoise to only remove noise")
    assert not Path("out.fits").exists()


def test_a_cube_has_a_psf_for_each_band(run: Run) -> None:
    image = fits.getdata("a.fits")
    fits.writeto("bands.fits", np.stack([image, image]))
    fits.writeto("psfs.fits", np.stack([np.pad(gaussian_psf(fwhm).pixels, pad) for fwhm, pad in ((4.0, 2), (5.0, 0))]))
    result = run("restore", "bands.fits", "--psf", "psfs.fits", "--output", "out.fits")
    assert result.exit_code == 0, result.output
    assert "FWHM 4.02, 5.01 px (psfs.fits)" in "".join(fits.getheader("out.fits")["HISTORY"])
    refusal = run("restore", "a.fits", "--psf", "psfs.fits", "--output", "one.fits")
    assert refusal.exit_code == 1
    assert "the file of the PSF has 2 PSFs, and the image 1 band: give one PSF, or one for each band" in refusal.stderr


def test_a_bad_saturation_level_is_quoted_in_the_history(run: Run) -> None:
    fits.writeto("level.fits", fits.getdata("a.fits"), fits.Header({"SATURATE": "unknown"}))
    assert run("restore", "level.fits", "--psf", "psf.fits", "--output", "out.fits").exit_code == 0
    assert "not used: SATURATE" in "".join(fits.getheader("out.fits")["HISTORY"])


def test_the_psf_of_the_header_is_used_and_named(run: Run) -> None:
    image = fits.getdata("a.fits")
    fits.writeto("seeing.fits", image, fits.Header({"FWHM": 4.0}))
    result = run("restore", "seeing.fits", "--output", "out.fits")
    assert result.exit_code == 0, result.output
    assert "FWHM 4.0" in (history := "".join(fits.getheader("out.fits")["HISTORY"]))
    assert "the width in the header" in history


@pytest.mark.slow
def test_the_psf_of_the_stars_of_a_field_is_used_and_named(run: Run) -> None:
    field = np.zeros((320, 320))
    places = np.random.default_rng(3).permutation(81)[:25]
    for number, place in enumerate(places):
        field[24 + 34 * (place // 9), 24 + 34 * (place % 9)] = 4000 + 300 * number
    field[150, 160] = 60_000  # brighter than the stars, which it keeps from looking saturated
    fits.writeto("field.fits", ndimage.gaussian_filter(field, 4.0 / 2.3548) + RNG.normal(20, 0.4, field.shape))
    result = run("restore", "field.fits", "--output", "out.fits")
    assert result.exit_code == 0, result.output
    assert "of the stars in the image" in "".join(fits.getheader("out.fits")["HISTORY"])
    assert fits.getdata("out.fits").max() > 1.5 * fits.getdata("field.fits").max()


def test_a_project_that_does_not_exist_is_named(run: Run, registry: Path) -> None:
    result = run("restore", "a.fits", "--denoise", "--project", "77", "--output", "out.fits")
    assert result.exit_code != 0
    assert "77" in result.stderr


def test_a_psf_is_not_overwritten(run: Run) -> None:
    result = run("restore", "a.fits", "--psf", "psf.fits", "--output", "psf.fits")
    assert result.exit_code == 2
    assert "psf.fits is an input" in result.stderr


def test_an_image_to_restore_is_not_overwritten(run: Run) -> None:
    before = Path("a.fits").read_bytes()
    result = run("restore", "a.fits", "b.fits", "--denoise", "--output", ".")
    assert result.exit_code == 2
    assert "a.fits is an input" in result.stderr
    assert Path("a.fits").read_bytes() == before


def test_a_psf_that_does_not_suit_the_image_is_named(run: Run) -> None:
    result = run("restore", "a.fits", "--psf", "wide.fits", "--output", "out.fits")
    assert result.exit_code == 1
    assert "a.fits: the PSF of" in result.stderr
    assert "larger than the image" in result.stderr

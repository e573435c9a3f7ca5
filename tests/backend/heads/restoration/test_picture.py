"""The displayed picture of a restored image."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from astropy.io import fits
from PIL import Image

from backend.heads.restoration.convolutional import ConvolutionalConfig
from backend.heads.restoration.network import Restoring
from backend.heads.restoration.picture import RestoredPicture, SharePlan
from backend.heads.restoration.restorer import Restorer
from backend.heads.structure.plane import PlaneOfFile
from backend.heads.structure.psf import Psf, gaussian_psf
from sync.errors.images import ImageError
from sync.images.display import display

BANDS = {"G": 3.0, "R": 3.5, "Z": 4.0}


def picture_of(psf: Psf | None = None, *, stretch: str = "lupton", plan: SharePlan | None = None) -> RestoredPicture:
    torch.manual_seed(0)
    restorer = Restorer(Restoring(ConvolutionalConfig(widths=(8,), blocks=1)), fingerprint="ab12")
    return RestoredPicture(restorer, lambda _: psf, stretch, max_pixels=10**6, plan=plan or SharePlan())


def file_of(image: np.ndarray) -> bytes:
    content = io.BytesIO()
    fits.PrimaryHDU(image).writeto(content)
    return content.getvalue()


def galaxy(bands: int) -> np.ndarray:
    """Return bands with a galaxy in the upper half of the displayed image."""
    image = np.random.default_rng(0).normal(20, 1, (bands, 48, 40)).astype(np.float32)
    rows, columns = np.indices((48, 40))
    return image + 60 * np.exp(-np.hypot(rows - 34, columns - 20) / 2)


@pytest.mark.parametrize("bands", [1, 4])
@pytest.mark.parametrize("stretch", ["lupton", "asinh"])
def test_a_picture_has_the_size_orientation_and_brightness_of_the_display_image(bands: int, stretch: str) -> None:
    content = file_of(galaxy(bands).astype(np.float32))
    pixels = np.asarray(Image.open(io.BytesIO(picture_of(gaussian_psf(3.0), stretch=stretch)(content).content))) / 255
    unrestored_pixels = np.asarray(Image.open(io.BytesIO(display(content, stretch=stretch).image))) / 255
    assert pixels.shape == unrestored_pixels.shape
    assert np.unravel_index(pixels.mean(axis=-1).argmax(), (48, 40)) == pytest.approx((13, 20), abs=1)
    if stretch == "lupton":
        assert pixels[30:].mean() == pytest.approx(unrestored_pixels[30:].mean(), abs=0.03)
        assert pixels[30:].std() < unrestored_pixels[30:].std()


def test_the_task_records_how_the_picture_was_made() -> None:
    plan = SharePlan(0.5, "v0003-ab12cd")
    about = picture_of(gaussian_psf(3.0, source="stars"), plan=plan)(file_of(galaxy(1).astype(np.float32))).data
    assert about == {
        "restored_by": "v0003-ab12cd",
        "restored_share": 0.5,
        "restored_weights": "ab12",
        "restored_psf": "stars",
    }


def test_half_of_the_judged_pictures_have_another_share_than_the_live_one() -> None:
    contents = [str(number).encode() for number in range(2000)]
    shares = Counter(map(SharePlan(0.5, compares=True).share_of, contents))
    assert shares[0.5] == pytest.approx(1000, abs=100)
    assert shares[1.0] == pytest.approx(500, abs=80)
    assert shares[0.0] == pytest.approx(500, abs=80)
    assert set(map(SharePlan(0.5).share_of, contents)) == {0.5}


def test_the_seeing_is_read_from_the_header_of_each_band() -> None:
    widths = {}

    def psf_of(plane: PlaneOfFile) -> Psf:
        widths[plane.header["EXTNAME"]] = plane.header["FWHM"]
        return gaussian_psf(plane.header["FWHM"])

    parts = [fits.ImageHDU(galaxy(1)[0].astype(np.float32), fits.Header({"FWHM": fwhm}), band) for band, fwhm in BANDS.items()]
    content = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), *parts]).writeto(content)
    replace(picture_of(), psf_of=psf_of)(content.getvalue())
    assert widths == BANDS


def test_a_png_cannot_be_restored() -> None:
    file = io.BytesIO()
    Image.new("L", (40, 40)).save(file, "PNG")
    with pytest.raises(ImageError, match="--restore needs FITS files"):
        picture_of()(file.getvalue())


def test_a_psf_that_does_not_suit_is_the_reason_of_the_image() -> None:
    with pytest.raises(ImageError, match="nothing can be sharpened"):
        picture_of(gaussian_psf(1.0))(file_of(galaxy(1).astype(np.float32)))

"""The import of an image file: a browser can display it, its science values are kept, its content gives its name."""

from __future__ import annotations

import gzip
import io
import tracemalloc
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from sync.errors.images import ImageError
from sync.images.decode import decode
from sync.images.display import content_id, display
from sync.images.stretches import STRETCHES

VALUES = np.random.default_rng(0).normal(100, 5, (3, 20, 30)).astype(np.float32)
VALUES[:, 4, 7] = [400, 900, 600]
VALUES[0, 0, 0] = np.nan


def a_fits(values: Any = VALUES, **cards: Any) -> bytes:
    file = io.BytesIO()
    fits.PrimaryHDU(values, fits.Header(cards)).writeto(file)
    return file.getvalue()


def image_file(kind: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.nan_to_num(VALUES[0]).clip(0, 255).astype(np.uint8)).save(file, kind)
    return file.getvalue()


def pixels_of(content: bytes) -> Any:
    return np.asarray(Image.open(io.BytesIO(content))) / 255


@pytest.mark.parametrize(("kind", "suffix"), [("PNG", ".png"), ("JPEG", ".jpg"), ("GIF", ".gif"), ("WEBP", ".webp")])
def test_files_that_browsers_display_are_unchanged(kind: str, suffix: str) -> None:
    content = image_file(kind)
    picture = display(content, stretch="lupton")
    assert (picture.image, picture.suffix, picture.science, picture.data) == (content, suffix, None, {})


def test_a_tiff_is_converted_to_png_and_kept() -> None:
    content = image_file("TIFF")
    picture = display(content, stretch="lupton")
    assert (picture.suffix, picture.science, picture.science_suffix) == (".png", content, ".tif")
    assert pixels_of(picture.image) == pytest.approx(decode(content), abs=1 / 255)


def test_a_fits_file_is_kept_and_displayed_as_the_backend_decodes_it() -> None:
    content = a_fits(BUNIT="nanomaggy", BANDS="grz")
    picture = display(content, stretch="lupton")
    assert (picture.science, picture.science_suffix) == (content, ".fits")
    assert pixels_of(picture.image) == pytest.approx(decode(content), abs=1 / 255)
    assert picture.data == {"bands": ["g", "r", "z"], "unit": "nanomaggy"}


@pytest.mark.parametrize("stretch", STRETCHES)
@pytest.mark.parametrize("bands", [1, 2, 3])
def test_every_stretch_shows_the_source_brightest_and_upright(stretch: str, bands: int) -> None:
    pixels = pixels_of(display(a_fits(VALUES[:bands]), stretch=stretch).image)
    assert pixels.shape == (20, 30, 3)
    assert pixels[20 - 1 - 4, 7].sum() == pixels.sum(axis=2).max() > pixels[4, 7].sum()
    assert np.array_equal(pixels[..., 0], pixels[..., 2]) == (bands == 1)


@pytest.mark.parametrize("stretch", STRETCHES)
def test_a_flat_or_half_empty_image_is_displayed(stretch: str) -> None:
    half = VALUES[:1].copy()
    half[:, :10] = np.nan
    for values in (np.ones((1, 8, 8), np.float32), half):
        assert np.isfinite(pixels_of(display(a_fits(values), stretch=stretch).image)).all()


def test_a_gzipped_file_is_decompressed() -> None:
    content = a_fits()
    assert display(gzip.compress(content), stretch="lupton").science == content
    assert display(gzip.compress(image_file("PNG")), stretch="lupton").image == image_file("PNG")


def test_bands_of_several_extensions_are_named_by_each() -> None:
    file = io.BytesIO()
    planes = [fits.ImageHDU(VALUES[index], name=name) for index, name in enumerate("UGR")]
    fits.HDUList([fits.PrimaryHDU(), *planes]).writeto(file)
    assert display(file.getvalue(), stretch="lupton").data["bands"] == ["U", "G", "R"]


def test_the_content_and_the_stretch_make_the_id() -> None:
    names = {content_id(a_fits(VALUES + number), stretch=stretch) for number in range(3) for stretch in STRETCHES}
    assert len(names) == 3 * len(STRETCHES)
    assert content_id(a_fits(), stretch="lupton") == content_id(a_fits(), stretch="lupton")


def test_hashing_a_file_does_not_copy_it() -> None:
    content = bytes(8_000_000)
    tracemalloc.start()
    content_id(content, stretch="lupton")
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_the_stretch_does_not_change_files_that_need_none(kind: str) -> None:
    assert len({content_id(image_file(kind), stretch=stretch) for stretch in STRETCHES}) == 1
    assert len({display(image_file(kind), stretch=stretch).image for stretch in STRETCHES}) == 1


@pytest.mark.parametrize(
    "content", [b"", b"no image", image_file("PNG")[:60], a_fits()[:3000], a_fits(np.full((4, 4), np.nan))]
)
def test_a_damaged_file_is_detected_before_it_is_stored(content: bytes) -> None:
    with pytest.raises(ImageError):
        display(content, stretch="lupton")

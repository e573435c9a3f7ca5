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
from sync.images.import_picture import content_id, display
from sync.images.stretches import STRETCHES

VALUES = np.random.default_rng(0).normal(100, 5, (3, 20, 30)).astype(np.float32)
VALUES[:, 4, 7] = [400, 900, 600]
VALUES[0, 0, 0] = np.nan


def a_fits(values: Any = VALUES, **cards: Any) -> bytes:
    file = io.BytesIO()
    fits.PrimaryHDU(values, fits.Header(cards)).writeto(file)
    return file.getvalue()


def a_picture(kind: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.nan_to_num(VALUES[0]).clip(0, 255).astype(np.uint8)).save(file, kind)
    return file.getvalue()


def seen(picture: bytes) -> Any:
    return np.asarray(Image.open(io.BytesIO(picture))) / 255


@pytest.mark.parametrize(("kind", "suffix"), [("PNG", ".png"), ("JPEG", ".jpg"), ("GIF", ".gif"), ("WEBP", ".webp")])
def test_what_a_browser_shows_stays_as_it_is(kind: str, suffix: str) -> None:
    content = a_picture(kind)
    shown = display(content, stretch="lupton")
    assert (shown.picture, shown.suffix, shown.science, shown.data) == (content, suffix, None, {})


def test_a_tiff_becomes_a_png_and_is_kept() -> None:
    content = a_picture("TIFF")
    shown = display(content, stretch="lupton")
    assert (shown.suffix, shown.science, shown.science_suffix) == (".png", content, ".tif")
    assert seen(shown.picture) == pytest.approx(decode(content), abs=1 / 255)


def test_a_fits_file_is_kept_and_shown_as_the_backend_itself_shows_it() -> None:
    content = a_fits(BUNIT="nanomaggy", BANDS="grz")
    shown = display(content, stretch="lupton")
    assert (shown.science, shown.science_suffix) == (content, ".fits")
    assert seen(shown.picture) == pytest.approx(decode(content), abs=1 / 255)
    assert shown.data == {"bands": ["g", "r", "z"], "unit": "nanomaggy"}


@pytest.mark.parametrize("stretch", STRETCHES)
@pytest.mark.parametrize("bands", [1, 2, 3])
def test_every_stretch_shows_the_source_brightest_and_upright(stretch: str, bands: int) -> None:
    pixels = seen(display(a_fits(VALUES[:bands]), stretch=stretch).picture)
    assert pixels.shape == (20, 30, 3)
    assert pixels[20 - 1 - 4, 7].sum() == pixels.sum(axis=2).max() > pixels[4, 7].sum()
    assert np.array_equal(pixels[..., 0], pixels[..., 2]) == (bands == 1)


@pytest.mark.parametrize("stretch", STRETCHES)
def test_a_flat_or_half_empty_image_is_shown_all_the_same(stretch: str) -> None:
    half = VALUES[:1].copy()
    half[:, :10] = np.nan
    for values in (np.ones((1, 8, 8), np.float32), half):
        assert np.isfinite(seen(display(a_fits(values), stretch=stretch).picture)).all()


def test_a_gzipped_file_is_unpacked() -> None:
    content = a_fits()
    assert display(gzip.compress(content), stretch="lupton").science == content
    assert display(gzip.compress(a_picture("PNG")), stretch="lupton").picture == a_picture("PNG")


def test_bands_of_several_extensions_are_named_by_each() -> None:
    file = io.BytesIO()
    planes = [fits.ImageHDU(VALUES[index], name=name) for index, name in enumerate("UGR")]
    fits.HDUList([fits.PrimaryHDU(), *planes]).writeto(file)
    assert display(file.getvalue(), stretch="lupton").data["bands"] == ["U", "G", "R"]


def test_the_content_and_the_stretch_make_the_id() -> None:
    names = {content_id(a_fits(VALUES + number), stretch=stretch) for number in range(3) for stretch in STRETCHES}
    assert len(names) == 3 * len(STRETCHES)
    assert content_id(a_fits(), stretch="lupton") == content_id(a_fits(), stretch="lupton")


def test_naming_a_file_takes_no_memory_of_its_size() -> None:
    content = bytes(8_000_000)
    tracemalloc.start()
    content_id(content, stretch="lupton")
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_the_stretch_makes_no_difference_where_it_is_not_used(kind: str) -> None:
    assert len({content_id(a_picture(kind), stretch=stretch) for stretch in STRETCHES}) == 1
    assert len({display(a_picture(kind), stretch=stretch).picture for stretch in STRETCHES}) == 1


@pytest.mark.parametrize("content", [b"", b"no image", a_picture("PNG")[:60], a_fits()[:3000], a_fits(np.full((4, 4), np.nan))])
def test_a_broken_file_is_found_before_it_is_stored(content: bytes) -> None:
    with pytest.raises(ImageError):
        display(content, stretch="lupton")

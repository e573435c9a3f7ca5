from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray
from PIL import Image

from sync.controls import bitmasklabels
from sync.controls.control import Control, Label
from sync.errors.controls import ControlError

CONTROL = Control(name="mask", to_name="image", tag="BitmaskLabels", labels=(Label("Galaxy"),))
MASKS = npst.arrays(np.bool_, npst.array_shapes(min_dims=2, max_dims=2, max_side=40))


def encode(mask: NDArray[Any]) -> dict[str, Any]:
    return bitmasklabels.encode(mask, control=CONTROL, label="Galaxy", size=(mask.shape[1], mask.shape[0]), score=0.5)


def png(image: Image.Image, **options: Any) -> dict[str, Any]:
    """Return a region with this image."""
    file = io.BytesIO()
    image.save(file, "PNG", **options)
    region = encode(np.ones((image.height, image.width), dtype=np.bool_))
    region["value"]["imageDataURL"] = bitmasklabels.PREFIX + base64.b64encode(file.getvalue()).decode()
    return region


@given(MASKS)
def test_a_mask_is_read_back_as_it_was_written(mask: NDArray[np.bool_]) -> None:
    assume(mask.any())
    read = bitmasklabels.decode(encode(mask))
    assert (read.shape == mask).all()
    assert (read.size, read.label) == ((mask.shape[1], mask.shape[0]), "Galaxy")


def test_pixels_that_are_half_covered_are_inside() -> None:
    pixels = np.zeros((1, 4, 4), dtype=np.uint8)
    pixels[0, :, 3] = (0, 127, 128, 255)
    assert bitmasklabels.decode(png(Image.fromarray(pixels, "RGBA"))).shape.tolist() == [[False, False, True, True]]


@pytest.mark.parametrize(
    ("mode", "outside", "inside", "options"),
    [
        ("P", 0, 1, {"transparency": b"\x00"}),
        ("L", 0, 9, {"transparency": 0}),
        ("RGB", (0, 0, 0), (9, 9, 9), {"transparency": (0, 0, 0)}),
        ("LA", (0, 0), (0, 255), {}),
    ],
)
def test_transparency_is_read_in_every_kind_of_png(mode: str, outside: Any, inside: Any, options: dict[str, Any]) -> None:
    image = Image.new(mode, (2, 1), outside)
    image.putpixel((1, 0), inside)
    assert bitmasklabels.decode(png(image, **options)).shape.tolist() == [[False, True]]


def test_a_png_of_another_size_is_scaled_to_the_image() -> None:
    mask = np.zeros((4, 6), dtype=np.bool_)
    mask[:, 3:] = True
    shape = bitmasklabels.decode(encode(mask), size=(12, 8)).shape
    assert shape.shape == (8, 12)
    assert shape[:, 6:].all()
    assert not shape[:, :6].any()
    assert bitmasklabels.readable_size(encode(mask)) == (6, 4)


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        (None, "must be a PNG in a data URL"),
        ("data:image/jpeg;base64,AAAA", "must be a PNG in a data URL"),
        (bitmasklabels.PREFIX + "AAAA", "cannot be read"),
        (bitmasklabels.PREFIX + "not base64", "cannot be read"),
    ],
)
def test_a_url_without_a_png_is_refused(url: Any, sentence: str) -> None:
    region = encode(np.ones((4, 4), dtype=np.bool_))
    region["value"]["imageDataURL"] = url
    assert bitmasklabels.readable_size(region) is None
    with pytest.raises(ControlError, match=sentence):
        bitmasklabels.decode(region)


def test_a_damaged_png_is_refused() -> None:
    region = encode(np.random.default_rng(0).random((64, 64)) > 0.5)
    region["value"]["imageDataURL"] = region["value"]["imageDataURL"][: len(bitmasklabels.PREFIX) + 400]
    with pytest.raises(ControlError, match="damaged"):
        bitmasklabels.decode(region)


def test_a_png_without_transparency_is_refused() -> None:
    with pytest.raises(ControlError, match="no transparency"):
        bitmasklabels.decode(png(Image.new("L", (4, 4))))


def test_a_png_far_larger_than_the_image_is_rejected_before_decoding() -> None:
    region = encode(np.ones((2500, 2500), dtype=np.bool_))
    with pytest.raises(ControlError, match="at most 4 times as many"):
        bitmasklabels.decode(region, size=(4, 4))


@pytest.mark.parametrize("mask", [np.zeros((4, 4), dtype=np.bool_), np.ones((4, 4), dtype=np.uint8)])
def test_an_empty_or_numeric_mask_is_not_written(mask: NDArray[Any]) -> None:
    with pytest.raises(ControlError):
        encode(mask)

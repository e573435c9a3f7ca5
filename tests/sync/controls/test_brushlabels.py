from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis.extra import numpy as npst
from label_studio_sdk.converter.brush import decode_from_annotation
from numpy.typing import NDArray

from sync.controls import brushlabels
from sync.errors.controls import ControlError
from sync.labelling.config import Control, Label

CONTROL = Control(name="mask", to_name="image", tag="BrushLabels", labels=(Label("Galaxy"),))
MASKS = npst.arrays(np.bool_, npst.array_shapes(min_dims=2, max_dims=2, max_side=40))


def encode(mask: NDArray[Any]) -> dict[str, Any]:
    return brushlabels.encode(mask, control=CONTROL, label="Galaxy", size=(mask.shape[1], mask.shape[0]), score=0.5)


@given(MASKS)
def test_encoded_values_are_decoded(mask: NDArray[np.bool_]) -> None:
    assume(mask.any())
    read = brushlabels.decode(encode(mask))
    assert (read.shape == mask).all()
    assert (read.size, read.label) == ((mask.shape[1], mask.shape[0]), "Galaxy")


def test_the_sdk_exports_the_same_mask() -> None:
    mask = np.zeros((20, 30), dtype=np.bool_)
    mask[5:9, 3:28] = True
    region = encode(mask)
    sdk_mask = decode_from_annotation("mask", [{**region, **region["value"], "type": "BrushLabels"}])
    assert (sdk_mask["mask-Galaxy-0"] == np.where(mask, 255, 0)).all()


@pytest.mark.parametrize(
    ("mask", "sentence"),
    [
        (np.zeros((4, 4), dtype=np.bool_), "no pixel inside"),
        (np.full((4, 4), 255, dtype=np.uint8), "boolean"),
        (np.ones((4, 4, 3), dtype=np.bool_), "boolean of shape"),
    ],
)
def test_invalid_masks_are_not_encoded(mask: NDArray[Any], sentence: str) -> None:
    with pytest.raises(ControlError, match=sentence):
        encode(mask)


def test_a_mask_of_another_size_than_the_image_is_not_written() -> None:
    with pytest.raises(ControlError, match="shape"):
        brushlabels.encode(np.ones((4, 5), dtype=np.bool_), control=CONTROL, label="Galaxy", size=(4, 5))


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("format", "png", "format"),
        ("format", None, "format"),
        ("rle", None, "list of bytes"),
        ("rle", [1, 2], "list of bytes"),
        ("rle", "AAAA", "list of bytes"),
        ("brushlabels", [], "brushlabels"),
    ],
)
def test_a_value_that_makes_no_mask_is_refused(key: str, value: Any, sentence: str) -> None:
    region = encode(np.ones((4, 4), dtype=np.bool_))
    region["value"][key] = value
    with pytest.raises(ControlError, match=sentence):
        brushlabels.decode(region)


@pytest.mark.parametrize("size", [(8, 4), (4, 5), (2, 4)])
def test_a_mask_that_does_not_fit_its_image_is_refused(size: tuple[int, int]) -> None:
    region = encode(np.ones((4, 4), dtype=np.bool_))
    region |= {"original_width": size[0], "original_height": size[1]}
    with pytest.raises(ControlError, match="does not fit"):
        brushlabels.decode(region)


def test_a_mask_far_larger_than_the_image_is_rejected_by_its_header() -> None:
    region = encode(np.ones((20, 30), dtype=np.bool_))
    region["value"]["rle"][:4] = list((10_000 * 10_000 * 4).to_bytes(4, "big"))
    region |= {"original_width": 10_000, "original_height": 10_000}
    tracemalloc.start()
    with pytest.raises(ControlError, match="a mask of 100000000 pixels does not fit an image of 30x20"):
        brushlabels.decode(region, size=(30, 20))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20

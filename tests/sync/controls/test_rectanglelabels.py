from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.controls import rectanglelabels
from sync.errors.controls import ControlError
from sync.geometry.shapes import Box, Size
from sync.labelling.config import Control, Label

CONTROL = Control(name="box", to_name="image", tag="RectangleLabels", labels=(Label("Galaxy"),))
SIZES = st.tuples(st.integers(1, 5000), st.integers(1, 5000))


def encode(box: Box, size: Size = (200, 100)) -> dict[str, Any]:
    return rectanglelabels.encode(box, control=CONTROL, label="Galaxy", size=size, score=0.9)


def test_a_box_is_written_in_percent_as_label_studio_stores_it() -> None:
    region = encode(Box(20, 10, 60, 40))
    del region["id"]
    assert region == {
        "from_name": "box",
        "to_name": "image",
        "type": "rectanglelabels",
        "original_width": 200,
        "original_height": 100,
        "image_rotation": 0,
        "value": {"x": 10, "y": 10, "width": 30, "height": 40, "rotation": 0, "rectanglelabels": ["Galaxy"]},
        "score": 0.9,
    }


@given(SIZES, st.data())
def test_encoded_values_are_decoded(size: Size, data: st.DataObject) -> None:
    x, y = (data.draw(st.floats(0, side * 0.9)) for side in size)
    width, height = (data.draw(st.floats(side * 1e-3, side * 0.1)) for side in size)
    box = Box(x, y, width, height, rotation=data.draw(st.floats(0, 359)))
    read = rectanglelabels.decode(encode(box, size))
    assert read.size == size
    assert read.label == "Galaxy"
    for name in ("x", "y", "width", "height", "rotation"):
        assert getattr(read.shape, name) == pytest.approx(getattr(box, name), rel=1e-9, abs=1e-9)


@given(SIZES, st.data())
def test_an_upright_box_never_reaches_beyond_the_image(size: Size, data: st.DataObject) -> None:
    x, y = (data.draw(st.floats(-1e5, side - 0.01)) for side in size)
    w, h = (data.draw(st.floats(max(start, 0) + 0.01, 2e5)) - start for start in (x, y))
    value = encode(Box(x, y, w, h), size)["value"]
    assert value["x"] >= 0
    assert value["y"] >= 0
    assert value["x"] + value["width"] <= 100
    assert value["y"] + value["height"] <= 100


def test_a_box_over_the_border_is_cut_there() -> None:
    assert rectanglelabels.decode(encode(Box(-10, -10, 30, 300))).shape == Box(0, 0, 20, 100)


@pytest.mark.parametrize("rotation", [-90, 270, 630])
def test_angles_are_stored_in_one_turn(rotation: float) -> None:
    assert encode(Box(50, 50, 10, 10, rotation))["value"]["rotation"] == 270


def test_a_tiny_negative_angle_is_zero() -> None:
    assert encode(Box(50, 50, 10, 10, -1e-20))["value"]["rotation"] == 0


@pytest.mark.parametrize(
    "box",
    [
        Box(300, 10, 10, 10),
        Box(-20, 10, 10, 10),
        Box(10, 10, 0, 10),
        Box(10, 10, 10, -5),
        Box(-1, 10, 10, 10, rotation=45),
        Box(math.nan, 0, 1, 1),
        Box(0, 0, math.inf, 1),
    ],
)
def test_a_box_outside_the_image_is_rejected(box: Box) -> None:
    with pytest.raises(ControlError):
        encode(box)


@pytest.mark.parametrize("size", [(0, 10), (-5, 10), (10.0, 10), (True, 10), (20_000, 20_000), (None, 3)])
def test_a_size_that_no_image_has_is_refused(size: Any) -> None:
    with pytest.raises(ControlError, match="image"):
        encode(Box(0, 0, 1, 1), size)


GOOD = {
    "type": "rectanglelabels",
    "original_width": 200,
    "original_height": 100,
    "value": {"x": 10, "y": 10, "width": 30, "height": 40, "rectanglelabels": ["Galaxy"]},
}


def test_a_prompt_without_rotation_or_score_is_read() -> None:
    assert rectanglelabels.decode(GOOD).shape == Box(20, 10, 60, 40)


BAD_NUMBERS = ["10", True, math.nan, math.inf, 1e6, 10**400, [1]]


@pytest.mark.parametrize("key", ["x", "y", "width", "height", "rotation"])
@pytest.mark.parametrize("value", BAD_NUMBERS)
def test_an_invalid_number_is_rejected(key: str, value: Any) -> None:
    with pytest.raises(ControlError, match=key):
        rectanglelabels.decode({**GOOD, "value": {**GOOD["value"], key: value}})  # type: ignore[dict-item]


@pytest.mark.parametrize("key", ["x", "y", "width", "height"])
def test_a_number_that_is_missing_is_refused(key: str) -> None:
    with pytest.raises(ControlError, match=key):
        rectanglelabels.decode({**GOOD, "value": {**GOOD["value"], key: None}})  # type: ignore[dict-item]


@pytest.mark.parametrize("key", ["width", "height"])
@pytest.mark.parametrize("value", [0, -3])
def test_a_box_without_extent_is_refused(key: str, value: float) -> None:
    with pytest.raises(ControlError, match="above 0"):
        rectanglelabels.decode({**GOOD, "value": {**GOOD["value"], key: value}})  # type: ignore[dict-item]


@pytest.mark.parametrize("key", ["original_width", "original_height"])
@pytest.mark.parametrize("value", [None, 0, -1, 10.5, "wide", True, math.nan, 10**9])
def test_a_region_of_an_impossible_image_is_refused(key: str, value: Any) -> None:
    with pytest.raises(ControlError, match="image"):
        rectanglelabels.decode({**GOOD, key: value})


@pytest.mark.parametrize("labels", [None, [], "Galaxy", [None], [{}], [""]])
def test_a_region_without_a_label_is_refused(labels: Any) -> None:
    with pytest.raises(ControlError, match="rectanglelabels"):
        rectanglelabels.decode({**GOOD, "value": {**GOOD["value"], "rectanglelabels": labels}})  # type: ignore[dict-item]


def test_the_error_for_a_megabyte_is_short() -> None:
    with pytest.raises(ControlError) as error:
        rectanglelabels.decode({**GOOD, "type": "x" * 1_000_000})
    assert len(str(error.value)) < 300

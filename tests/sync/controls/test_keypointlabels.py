from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.controls import keypointlabels
from sync.errors.controls import ControlError
from sync.geometry.shapes import Point, Size
from sync.labelling.config import Control, Label

CONTROL = Control(name="kp", to_name="image", tag="KeyPointLabels", labels=(Label("Arm"),))

PROMPT = {
    "original_width": 200,
    "original_height": 100,
    "image_rotation": 0,
    "value": {"x": 25, "y": 50, "width": 0.23, "labels": ["Arm"], "keypointlabels": ["Arm"]},
    "is_positive": True,
    "id": "k1",
    "from_name": "kp",
    "to_name": "image",
    "type": "keypointlabels",
}


@given(st.tuples(st.integers(1, 5000), st.integers(1, 5000)), st.data())
def test_encoded_values_are_decoded(size: Size, data: st.DataObject) -> None:
    x, y = (data.draw(st.floats(0, side)) for side in size)
    region = keypointlabels.encode(Point(x, y), control=CONTROL, label="Arm", size=size)
    read = keypointlabels.decode(region)
    assert (read.shape.x, read.shape.y) == pytest.approx((x, y), rel=1e-9, abs=1e-9)
    assert (read.size, read.label, read.positive) == (size, "Arm", True)


@pytest.mark.parametrize(("value", "positive"), [(True, True), (False, False), (1, True), (0, False)])
def test_a_prompt_is_positive_or_negative(value: Any, positive: bool) -> None:
    read = keypointlabels.decode({**PROMPT, "is_positive": value})
    assert read.positive is positive
    assert read.shape == Point(50, 50)


def test_a_point_is_positive_by_default() -> None:
    plain = {key: value for key, value in PROMPT.items() if key != "is_positive"}
    assert keypointlabels.decode(plain).positive is True


@pytest.mark.parametrize("value", ["true", None, 2, [], {}])
def test_other_values_are_rejected(value: Any) -> None:
    with pytest.raises(ControlError, match="is_positive"):
        keypointlabels.decode({**PROMPT, "is_positive": value})


@pytest.mark.parametrize("key", ["x", "y"])
@pytest.mark.parametrize("value", [None, "5", math.nan, 1e9, True])
def test_an_invalid_coordinate_is_rejected(key: str, value: Any) -> None:
    with pytest.raises(ControlError, match=key):
        keypointlabels.decode({**PROMPT, "value": {**PROMPT["value"], key: value}})  # type: ignore[dict-item]


@pytest.mark.parametrize("point", [Point(-1, 5), Point(5, 101), Point(math.nan, 5)])
def test_a_point_outside_the_image_is_not_written(point: Point) -> None:
    with pytest.raises(ControlError):
        keypointlabels.encode(point, control=CONTROL, label="Arm", size=(200, 100))

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.controls import ellipselabels
from sync.controls.ellipse_axes import shorten_axes
from sync.errors.controls import ControlError
from sync.geometry.shapes import Ellipse, Size
from sync.labelling.config import Control, Label

CONTROL = Control(name="e", to_name="image", tag="EllipseLabels", labels=(Label("Galaxy"),))


def encode(ellipse: Ellipse, size: Size = (200, 100)) -> dict[str, Any]:
    return ellipselabels.encode(ellipse, control=CONTROL, label="Galaxy", size=size)


def test_half_axes_are_percent_of_width_and_height() -> None:
    value = encode(Ellipse(100, 50, 20, 10, rotation=30))["value"]
    assert value == {"x": 50, "y": 50, "radiusX": 10, "radiusY": 10, "rotation": 30, "ellipselabels": ["Galaxy"]}


@given(st.tuples(st.integers(1, 5000), st.integers(1, 5000)), st.data())
def test_encoded_values_are_decoded(size: Size, data: st.DataObject) -> None:
    x, y = (data.draw(st.floats(0, side)) for side in size)
    radius_x, radius_y = (data.draw(st.floats(side * 1e-3, side * 0.5)) for side in size)
    ellipse = Ellipse(x, y, radius_x, radius_y, rotation=data.draw(st.floats(0, 359)))
    read = ellipselabels.decode(encode(ellipse, size))
    assert (read.size, read.label) == (size, "Galaxy")
    for name in ("x", "y", "radius_x", "radius_y", "rotation"):
        assert getattr(read.shape, name) == pytest.approx(getattr(ellipse, name), rel=1e-9, abs=1e-9)


def test_a_half_axis_longer_than_half_the_image_is_refused() -> None:
    with pytest.raises(ControlError, match="the half-axis of 500 pixels is longer than half the image"):
        encode(Ellipse(100, 50, 500, 20))


def test_axes_are_exchanged_if_the_image_is_longer_in_the_other_direction() -> None:
    region = encode(Ellipse(100, 50, 20, 90, rotation=100))
    read = ellipselabels.decode(region).shape
    assert (read.radius_x, read.radius_y, read.rotation) == pytest.approx((90, 20, 190))


def test_the_ellipse_of_a_model_is_shortened_to_half_the_image() -> None:
    assert shorten_axes(Ellipse(100, 50, 500, 500, 30), (200, 100)) == Ellipse(100, 50, 100, 50, 30)
    assert shorten_axes(Ellipse(100, 50, 100, 50, 30), (200, 100)) == Ellipse(100, 50, 100, 50, 30)


@pytest.mark.parametrize(
    "ellipse",
    [Ellipse(-1, 5, 3, 3), Ellipse(5, 101, 3, 3), Ellipse(5, 5, 0, 3), Ellipse(5, 5, 3, -3), Ellipse(5, math.nan, 3, 3)],
)
def test_an_ellipse_that_cannot_be_shown_is_refused(ellipse: Ellipse) -> None:
    with pytest.raises(ControlError):
        encode(ellipse)


@pytest.mark.parametrize("key", ["x", "y", "radiusX", "radiusY", "rotation", "ellipselabels"])
@pytest.mark.parametrize("value", ["5", math.nan, math.inf, True, -1e9])
def test_a_value_that_makes_no_sense_is_refused(key: str, value: Any) -> None:
    region = encode(Ellipse(100, 50, 20, 10))
    region["value"][key] = value
    with pytest.raises(ControlError, match=key):
        ellipselabels.decode(region)


@pytest.mark.parametrize("key", ["radiusX", "radiusY"])
def test_a_half_axis_of_zero_is_refused(key: str) -> None:
    region = encode(Ellipse(100, 50, 20, 10))
    region["value"][key] = 0
    with pytest.raises(ControlError, match="above 0"):
        ellipselabels.decode(region)

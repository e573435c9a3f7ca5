from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.controls import CONTROLS, MASKS, OBJECTS, ControlError, Kind

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=8,
)
KEYS = [
    "x",
    "y",
    "width",
    "height",
    "radiusX",
    "radiusY",
    "rotation",
    "points",
    "format",
    "rle",
    "number",
    "imageDataURL",
    "vertices",
    "closed",
]


def test_every_codec_is_registered_under_its_tag() -> None:
    assert [codec.TAG for codec in CONTROLS.values()] == list(CONTROLS)


def test_what_a_control_holds_follows_from_its_codec() -> None:
    assert [tag for tag, codec in CONTROLS.items() if codec.KIND is Kind.OBJECTS] == list(OBJECTS)
    assert tuple(tag for tag in OBJECTS if tag not in ("RectangleLabels", "EllipseLabels")) == MASKS


@pytest.mark.parametrize("tag", CONTROLS)
@given(
    value=st.fixed_dictionaries({}, optional={key: JSON | st.floats(0, 100) | st.just("rle") for key in KEYS}),
    labels=st.just(["A"]) | JSON,
    extra=st.fixed_dictionaries({}, optional={"is_positive": JSON, "original_width": st.integers(-1, 9) | JSON}),
)
def test_whatever_is_sent_is_read_or_refused(tag: str, value: dict[str, Any], labels: Any, extra: dict[str, Any]) -> None:
    region = {"type": tag.lower(), "original_width": 4, "original_height": 4, **extra}
    region["value"] = {**value, tag.lower(): labels} if tag != "Number" else value
    with contextlib.suppress(ControlError):
        CONTROLS[tag].decode(region)

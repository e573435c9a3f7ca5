from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.controls import CONTROLS, ControlError
from sync.labelling.config import FILLABLE_TAGS

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=8,
)
KEYS = ["x", "y", "width", "height", "radiusX", "radiusY", "rotation", "points", "format", "rle", "number"]


def test_every_fillable_tag_has_a_codec() -> None:
    assert tuple(CONTROLS) == FILLABLE_TAGS


@pytest.mark.parametrize("tag", FILLABLE_TAGS)
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

from __future__ import annotations

import ast
import contextlib
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.controls import BOXES, CONTROLS, MASKS, OBJECTS, PIXELS, SHAPES, TAG_OF_TYPE, ControlError, Kind

ROOT = Path(__file__).parents[3]
COMMON_WORDS = {"number"}
"""Types of regions that are also everyday words, such as keys of other data."""

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
    "rating",
    "imageDataURL",
    "vertices",
    "closed",
]


def test_every_codec_is_registered_under_its_tag() -> None:
    assert [codec.TAG for codec in CONTROLS.values()] == list(CONTROLS)


def test_the_shape_of_a_control_follows_from_its_codec() -> None:
    assert [tag for tag, codec in CONTROLS.items() if codec.KIND is Kind.OBJECTS] == list(OBJECTS)
    assert tuple(tag for tag in OBJECTS if tag not in ("RectangleLabels", "EllipseLabels")) == MASKS
    assert tuple(tag for tag, codec in OBJECTS.items() if codec.SHAPE is np.ndarray) == tuple(PIXELS)
    assert BOXES == ("RectangleLabels",)


def test_the_tags_of_shapes_end_in_labels() -> None:
    assert [tag for tag in CONTROLS if tag.endswith("Labels")] == [tag for tag in CONTROLS if tag in SHAPES]


def test_only_the_files_of_controls_name_tags() -> None:
    names = {*CONTROLS, *TAG_OF_TYPE} - COMMON_WORDS
    paths = [path for package in ("backend", "sync", "galaxyloop") for path in sorted((ROOT / package).rglob("*.py"))]
    assert len(paths) > 300
    quoted_name = re.compile(f"[\"']({'|'.join(sorted(names))})[\"']")
    literals = [
        f"{path.relative_to(ROOT)}, line {node.lineno}: {node.value!r}"
        for path in paths
        if path.parent != ROOT / "sync" / "controls" and quoted_name.search(text := path.read_text())
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in names
    ]
    assert not literals, "facts about a tag belong in its file in sync/controls/: " + "; ".join(literals)


@pytest.mark.parametrize("tag", CONTROLS)
@given(
    value=st.fixed_dictionaries({}, optional={key: JSON | st.floats(0, 100) | st.just("rle") for key in KEYS}),
    labels=st.just(["A"]) | JSON,
    extra=st.fixed_dictionaries({}, optional={"is_positive": JSON, "original_width": st.integers(-1, 9) | JSON}),
)
def test_any_region_is_read_or_rejected(tag: str, value: dict[str, Any], labels: Any, extra: dict[str, Any]) -> None:
    region = {"type": tag.lower(), "original_width": 4, "original_height": 4, **extra}
    region["value"] = {**value, tag.lower(): labels} if CONTROLS[tag].KIND is not Kind.NUMBER else value
    with contextlib.suppress(ControlError):
        CONTROLS[tag].decode(region)

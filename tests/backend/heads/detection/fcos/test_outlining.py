"""Outlines of learned boxes: that of the source if there is one, otherwise an ellipse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.heads.detection.fcos.outlining import outline_boxes
from backend.heads.extraction.extract import extract

numbers = st.floats(0, 60)


def test_a_box_around_a_source_has_its_outline(sky: Callable[..., Any]) -> None:
    (source,) = extract(sky((80, 80), [(40, 40, 8, 4, 30, 0.8)])).sources
    box = source.box
    looser = np.array([[box.x - 2, box.y - 2, box.x + box.width + 2, box.y + box.height + 2]])
    (outline,) = outline_boxes(looser, [source], size=(80, 80))
    assert (outline.box.width, outline.ellipse.rotation) == (box.width + 4, source.ellipse.rotation)
    assert outline.ellipse.radius_x > source.ellipse.radius_x
    assert np.array_equal(outline.full_mask((80, 80)), source.full_mask((80, 80)))


def test_a_box_without_a_source_gets_an_ellipse(sky: Callable[..., Any]) -> None:
    sources = extract(sky((80, 80), [(40, 40, 8, 4, 30, 0.8)])).sources
    (outline,) = outline_boxes(np.array([[0.0, 60, 10, 80]]), sources, size=(80, 80))
    assert (outline.ellipse.x, outline.ellipse.y, outline.ellipse.radius_x, outline.ellipse.radius_y) == (5, 70, 5, 10)
    assert outline.full_mask((80, 80)).sum() == pytest.approx(np.pi * 5 * 10, rel=0.1)


@given(numbers, numbers, st.floats(0.01, 20), st.floats(0.01, 20))
def test_every_box_has_a_mask_in_the_image(x: float, y: float, width: float, height: float) -> None:
    edges = np.array([[x, y, min(x + width, 64), min(y + height, 64)]])
    (outline,) = outline_boxes(edges, (), size=(64, 64))
    assert outline.full_mask((64, 64)).any()


def test_no_boxes_have_no_outlines() -> None:
    assert outline_boxes(np.empty((0, 4)), (), size=(10, 10)) == []

"""Footprints: masks without the empty rows and columns around them."""

from __future__ import annotations

import time
import tracemalloc

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sync.errors.controls import ControlError
from sync.geometry.footprint import Footprint
from sync.geometry.shapes import Mask, Polygon

pixels = arrays(np.bool_, (8, 9)).filter(np.any)


@given(pixels, pixels)
def test_shared_pixels_are_those_of_the_full_masks(first: Mask, second: Mask) -> None:
    assert Footprint.of_mask(first).count_shared(Footprint.of_mask(second)) == int((first & second).sum())


@given(pixels, st.integers(0, 5), st.integers(0, 5))
def test_a_footprint_is_its_mask(mask: Mask, x: int, y: int) -> None:
    footprint = Footprint.of_mask(mask, x=x, y=y)
    canvas = np.zeros((8 + y, 9 + x), dtype=bool)
    canvas[y:, x:] = mask
    assert (footprint.to_mask((9 + x, 8 + y)) == canvas).all()
    assert footprint.area == mask.sum()


@given(
    st.lists(st.tuples(st.integers(-4, 44).map(lambda x: x / 4), st.integers(-4, 40).map(lambda y: y / 4)), max_size=9),
    st.tuples(st.integers(1, 10), st.integers(1, 9)),
)
def test_the_check_of_a_polygon_agrees_with_its_footprint(points: list[tuple[float, float]], size: tuple[int, int]) -> None:
    polygon = Polygon(np.array(points, dtype=float).reshape(-1, 2))
    sentences = []
    for function in (Footprint.of_polygon, Footprint.check_polygon):
        try:
            function(polygon, size)
        except ControlError as error:
            sentences.append(str(error))
    assert len(sentences) != 1
    assert len(set(sentences)) <= 1


def test_the_check_of_a_huge_polygon_takes_little_memory_and_time() -> None:
    polygon = Polygon(np.array([[0.0, 0.0], [10_000.0, 0.0], [10_000.0, 10_000.0]]))
    tracemalloc.start()
    began = time.process_time()
    Footprint.check_polygon(polygon, (10_000, 10_000))
    seconds, (_, peak) = time.process_time() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10_000_000
    assert seconds < 0.5

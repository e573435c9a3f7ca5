"""Footprints: masks without the empty rows and columns around them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sync.geometry.footprint import Footprint
from sync.geometry.shapes import Mask

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

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from scipy import ndimage

from backend.heads.extraction.outlines import fill_holes, outline, tighten

masks = arrays.arrays(bool, arrays.array_shapes(min_dims=2, max_dims=2, max_side=12))


@given(masks)
def test_filling_holes_equals_scipy(mask: NDArray[np.bool_]) -> None:
    assert (fill_holes(mask) == ndimage.binary_fill_holes(mask)).all()


@given(masks.filter(lambda mask: bool(mask.any())), st.integers(0, 50), st.integers(0, 50))
def test_tightening_keeps_the_position_of_every_pixel(mask: NDArray[np.bool_], x: int, y: int) -> None:
    crop, corner = tighten(mask, corner=(x, y))
    expected = {(x + column, y + row) for row, column in zip(*np.nonzero(mask), strict=True)}
    assert {(corner[0] + column, corner[1] + row) for row, column in zip(*np.nonzero(crop), strict=True)} == expected
    assert crop[0].any()
    assert crop[-1].any()
    assert crop[:, 0].any()
    assert crop[:, -1].any()


def test_holes_are_filled_except_where_another_source_lies() -> None:
    brightness = np.ones((7, 7), np.float32)
    brightness[1, 1] = brightness[5, 5] = 0
    segments = np.ones((7, 7), np.int32)
    segments[5, 5] = 2
    crop, corner = outline(brightness, segments, 1, isophote=0.5)
    assert corner == (0, 0)
    assert crop[1, 1]
    assert not crop[5, 5]


def test_an_unknown_segment_number_is_an_error() -> None:
    with pytest.raises(ValueError, match="no segment 3"):
        outline(np.ones((4, 4), np.float32), np.ones((4, 4), np.int32), 3, isophote=0.5)

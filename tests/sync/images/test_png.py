from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from sync.images.decode import decode
from sync.images.png import to_png


@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))))
def test_a_png_is_decoded_to_what_was_written(values: NDArray[np.uint8]) -> None:
    pixels = (values / 255).astype(np.float32)
    assert np.array_equal(decode(to_png(pixels)), pixels)


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 4), (0, 4, 3)])
def test_a_png_needs_three_channels(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="shape"):
        to_png(np.zeros(shape, dtype=np.float32))


@pytest.mark.parametrize("value", [-0.1, 1.1, np.nan])
def test_a_png_needs_values_between_zero_and_one(value: float) -> None:
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        to_png(np.full((2, 2, 3), value, dtype=np.float32))

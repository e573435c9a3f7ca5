from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from backend.heads.segmentation.simulated_clicks import first_click, next_click
from sync.geometry.shapes import Mask

masks = arrays(bool, (12, 15), elements=st.booleans())


@given(masks.filter(np.any), st.integers(0, 9), st.floats(0, 2))
def test_the_first_click_lies_on_the_object(mask: Mask, seed: int, jitter: float) -> None:
    x, y, positive = first_click(mask, np.random.default_rng(seed), jitter=jitter)
    assert positive
    assert mask[int(y), int(x)]


@given(masks, masks, st.integers(0, 9), st.floats(0, 2))
def test_the_next_click_lies_on_an_error_with_the_right_sign(mask: Mask, target: Mask, seed: int, jitter: float) -> None:
    click = next_click(mask, target, np.random.default_rng(seed), jitter=jitter)
    if click is None:
        assert (mask == target).all()
    else:
        x, y, positive = click
        assert mask[int(y), int(x)] != target[int(y), int(x)]
        assert positive == target[int(y), int(x)]


def test_without_jitter_the_middle_of_the_largest_error_is_clicked() -> None:
    target = np.zeros((40, 40), bool)
    target[5:16, 5:16] = True
    target[30:33, 30:33] = True
    assert next_click(np.zeros_like(target), target, np.random.default_rng(0), jitter=0) == (10.5, 10.5, True)
    assert next_click(np.ones_like(target) & target, target, np.random.default_rng(0), jitter=0) is None

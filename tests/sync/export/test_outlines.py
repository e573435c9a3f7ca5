"""The exact outline of a mask: readers that round its corners read the same pixels."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from regions import PixCoord, PolygonPixelRegion

from sync.export.outlines import outline_of
from sync.geometry.footprint import Footprint
from sync.geometry.shapes import Mask

MASKS = arrays(np.bool_, st.tuples(st.integers(1, 12), st.integers(1, 12))).filter(np.any)


@given(MASKS, st.floats(0, 360), st.floats(-1e-7, 1e-7))
def test_a_ring_rotated_there_and_back_has_the_same_pixels(mask: Mask, angle: float, shift: float) -> None:
    """As in a conversion to the sky and back, where bridges through a pixel's centre would change it."""
    height = mask.shape[0]
    turn = np.radians(angle)
    axes = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    turned_outline = np.round(outline_of(Footprint.of_mask(mask)) @ axes * 1e-4 + 150, 12)
    x, y = ((turned_outline - 150) * 1e4 @ axes.T + shift).T
    inside = PolygonPixelRegion(PixCoord(x - 0.5, height - y - 0.5)).to_mask(mode="center").to_image(mask.shape)
    assert np.array_equal(np.zeros_like(mask) if inside is None else inside[::-1] > 0, mask)

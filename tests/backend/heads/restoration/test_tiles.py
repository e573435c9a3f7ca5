"""Tiles cover an image, and their blended results have no seams."""

from __future__ import annotations

import numpy as np
import pytest

from backend.heads.restoration.tiles import TILE_PX, blend, tiles_of


@pytest.mark.parametrize("shape", [(16, 16), (TILE_PX, TILE_PX), (TILE_PX + 1, 40), (500, 333)])
def test_blended_tiles_give_the_image_back(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    windows = tiles_of(shape)
    assert np.allclose(blend(shape, windows, [image[window] for window in windows]), image, atol=1e-6)


def test_tiles_have_one_size() -> None:
    sizes = {(rows.stop - rows.start, columns.stop - columns.start) for rows, columns in tiles_of((500, 333))}
    assert sizes == {(TILE_PX, TILE_PX)}

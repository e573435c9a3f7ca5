"""Tiles: they cover every pixel, memory is bounded, and pixels return to their positions."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from backend.lvm.tiles import OVERLAP_PX, TILE_PX, Tile, cut, tiles_of

sizes = st.tuples(st.integers(1, 9000), st.integers(1, 9000))


@given(sizes)
def test_tiles_lie_in_the_image_and_are_small(size: tuple[int, int]) -> None:
    for tile in tiles_of(size):
        assert 0 <= tile.x <= tile.x + tile.width <= size[0]
        assert 0 <= tile.y <= tile.y + tile.height <= size[1]
        assert min(tile.scaled_size) >= 1
        assert max(tile.scaled_size) <= TILE_PX


@given(sizes)
def test_the_tiles_of_each_scale_cover_the_image_and_overlap(size: tuple[int, int]) -> None:
    tiles = tiles_of(size)
    for scale in {tile.scale for tile in tiles}:
        for start, length, full_length in (("x", "width", size[0]), ("y", "height", size[1])):
            same = {(getattr(t, start), getattr(t, length)) for t in tiles if t.scale == scale}
            spans = sorted((begin, begin + along) for begin, along in same)
            assert (spans[0][0], spans[-1][1]) == (0, full_length)
            assert all(a[1] - b[0] >= OVERLAP_PX / scale - 1 for a, b in pairwise(spans))


@given(sizes)
def test_the_last_tile_covers_the_whole_image(size: tuple[int, int]) -> None:
    last = tiles_of(size)[-1]
    assert (last.x, last.y, last.width, last.height) == (0, 0, *size)


@pytest.mark.parametrize(
    ("size", "count", "scales"), [((424, 424), 1, {1}), ((90, 128), 1, {2}), ((1984, 1361), 16, {1, 0.25})]
)
def test_tiles_of_typical_images(size: tuple[int, int], count: int, scales: set[float]) -> None:
    tiles = tiles_of(size)
    assert len(tiles) == count
    assert {tile.scale for tile in tiles} == scales


@given(st.integers(0, 300), st.integers(1, 999), st.sampled_from([0.0625, 0.25, 1.0, 2.0]))
def test_boxes_are_converted_to_a_tile_and_back(start: int, length: int, scale: float) -> None:
    tile = Tile(start, start // 2, length, length + 7, scale)
    boxes = torch.tensor([[3.0, 4, 50, 60], [start, start, start + 5, start + 9]])
    assert torch.allclose(tile.to_image(tile.from_image(boxes)), boxes, atol=1e-2)
    full_length = torch.tensor([[0.0, 0, *tile.scaled_size]])
    assert tile.to_image(full_length)[0].tolist() == pytest.approx([tile.x, tile.y, tile.x + tile.width, tile.y + tile.height])


def test_a_tile_has_its_own_pixels_and_zero_for_non_finite_ones() -> None:
    pixels = np.random.default_rng(0).random((20, 30, 3)).astype(np.float32)
    pixels[5, 6] = np.nan
    pixels_of_tile = cut(pixels, Tile(4, 2, 10, 8, 1.0))
    assert pixels_of_tile.shape == (1, 3, 8, 10)
    assert pixels_of_tile[0, :, 3, 2].tolist() == [0, 0, 0]
    assert pixels_of_tile[0, :, 0, 0].numpy() == pytest.approx(pixels[2, 4])


@pytest.mark.parametrize("scale", [0.25, 2.0])
def test_scaling_keeps_the_brightness(scale: float) -> None:
    pixels_of_tile = cut(np.full((33, 50, 3), 0.3, np.float32), Tile(0, 0, 50, 33, scale))
    assert pixels_of_tile.shape[2:] == (int(np.ceil(33 * scale)), int(50 * scale + 0.5))
    assert pixels_of_tile.numpy() == pytest.approx(0.3)

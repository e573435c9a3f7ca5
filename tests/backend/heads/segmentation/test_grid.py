"""Masks on the decoder's grid and back: equal to torch's own resizing, without an array of the window's size."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import torch
from torch.nn import functional

from backend.heads.segmentation.grid import on_grid
from backend.heads.segmentation.network import SegmenterConfig
from backend.heads.segmentation.window_mask import WindowMask
from backend.lvm.tiles import Tile
from sync.geometry.footprint import Footprint

CONFIG = SegmenterConfig((8, 8))


@pytest.mark.parametrize(
    "window",
    [Tile(0, 0, 300, 200, 256 / 300), Tile(50, 20, 96, 96, 256 / 96), Tile(150, 0, 150, 150, 256 / 150)],
)
def test_shares_equal_those_of_area_interpolation(window: Tile) -> None:
    mask = np.hypot(*(np.mgrid[:200, :300] - np.array([90, 170])[:, None, None])) < 37
    side = round(CONFIG.shown_px / window.scale)
    square = np.zeros((side, side), np.float32)
    part = mask[window.y : window.y + window.height, window.x : window.x + window.width]
    square[: part.shape[0], : part.shape[1]] = part
    size = (CONFIG.points, CONFIG.points)
    expected = functional.interpolate(torch.from_numpy(square)[None, None], size=size, mode="area")[0, 0]
    cut = Footprint.of_mask(mask)
    torch.testing.assert_close(on_grid(mask, window, config=CONFIG), expected)
    torch.testing.assert_close(on_grid(cut.pixels, window, config=CONFIG, x=cut.x, y=cut.y), expected)


@pytest.mark.parametrize("size", [(1000, 60), (60, 1000), (1000, 900)])
def test_a_strip_is_resampled_like_the_square_around_it(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    logits = torch.randn(64, 64)
    mask = WindowMask(Tile(0, 0, *size, 256 / 1000), logits, 1.0, size, 256)
    full_size = functional.interpolate(logits[None, None], size=(1000, 1000), mode="bilinear", align_corners=False)[0, 0]
    torch.testing.assert_close(mask.pixels, full_size[: size[1], : size[0]], rtol=1e-4, atol=1e-5)


def test_a_narrow_strip_needs_memory_for_its_own_pixels_only() -> None:
    window = Tile(0, 0, 20_000, 2, 256 / 20_000)
    mask = np.ones((2, 20_000), bool)
    tracemalloc.start()
    shares = on_grid(mask, window, config=CONFIG)
    pixels = WindowMask(window, shares - 0.5, 1.0, (20_000, 2), 256).pixels
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert pixels.shape == (2, 20_000)
    assert peak < 2**20

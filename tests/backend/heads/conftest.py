"""Fixtures of skies: round and flat galaxies on a faint, noisy sky, as in 8-bit images."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

Galaxy = tuple[float, float, float, float, float, float]
"""x, y, long radius, short radius (standard deviations, pixels), degrees clockwise, peak."""


def draw_sky(size: tuple[int, int], galaxies: Sequence[Galaxy], *, noise: float = 0.01, seed: int = 0) -> NDArray[np.float32]:
    rows, columns = np.mgrid[: size[1], : size[0]] + 0.5
    image = np.full((size[1], size[0]), 0.02)
    for x, y, a, b, degrees, peak in galaxies:
        cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        along, across = (columns - x) * cosine + (rows - y) * sine, (rows - y) * cosine - (columns - x) * sine
        image += peak * np.exp(-((along / a) ** 2 + (across / b) ** 2) / 2)
    noisy = image[..., None] + np.random.default_rng(seed).normal(0, noise, (size[1], size[0], 3))
    return (noisy.clip(0, 1) * 255).round().astype(np.float32) / np.float32(255)


@pytest.fixture
def sky() -> Callable[..., NDArray[np.float32]]:
    return draw_sky

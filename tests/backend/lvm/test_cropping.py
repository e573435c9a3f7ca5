"""Cropping: the galaxy is in the middle of the frame with the same apparent size, whatever the field of view."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from backend.lvm.cropping import frame

SIDE = 64
sides = st.integers(1, 40)
images = st.tuples(sides, sides, st.just(3)).flatmap(
    lambda shape: arrays(np.float32, shape, elements=st.floats(0, 1, width=32))
)


def sky(size: tuple[int, int], *spots: tuple[float, float, float]) -> NDArray[np.float32]:
    """Return an image of `size` (width, height) with round galaxies (x, y, radius)."""
    rows, columns = np.mgrid[: size[1], : size[0]] + 0.5
    light = np.full((size[1], size[0]), 0.02)
    for x, y, radius in spots:
        light += 0.8 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * radius**2))
    return np.repeat(light[..., None], 3, axis=2).astype(np.float32)


def centre(crop: NDArray[np.float32]) -> tuple[float, float]:
    light = crop.mean(axis=2) - 0.02
    rows, columns = np.indices(light.shape) + 0.5
    return float((light * columns).sum() / light.sum()), float((light * rows).sum() / light.sum())


def spread(crop: NDArray[np.float32]) -> float:
    """Return the fraction of the frame that is brighter than half the galaxy's centre."""
    return float((crop.mean(axis=2) > 0.4).mean())


@pytest.mark.parametrize("x", [80, 100, 125])
def test_the_galaxy_is_moved_to_the_middle(x: float) -> None:
    assert centre(frame(sky((200, 160), (x, 85, 10)), side=SIDE)) == pytest.approx((SIDE / 2, SIDE / 2), abs=1)


def test_a_crop_does_not_depend_on_the_size_of_the_galaxy() -> None:
    near, far = frame(sky((300, 300), (150, 150, 40)), side=SIDE), frame(sky((300, 300), (150, 150, 20)), side=SIDE)
    assert spread(near) == pytest.approx(spread(far), rel=0.1)


def test_a_tiny_source_is_not_enlarged_to_a_galaxy() -> None:
    speck, galaxy = frame(sky((300, 300), (150, 150, 4)), side=SIDE), frame(sky((300, 300), (150, 150, 20)), side=SIDE)
    assert spread(speck) < spread(galaxy) / 4


def test_the_central_source_is_preferred_over_an_equal_neighbour() -> None:
    crop = frame(sky((300, 300), (150, 150, 15), (260, 60, 15)), side=SIDE)
    assert crop[SIDE // 2, SIDE // 2].mean() > 0.7


def test_pixels_outside_the_image_are_black() -> None:
    crop = frame(sky((100, 100), (50, 8, 12)), side=SIDE)
    assert crop[0].max() == 0


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_rotated_image_has_a_rotated_crop(turns: int) -> None:
    image = sky((120, 160), (65, 70, 14))
    assert np.abs(frame(np.rot90(image, turns), side=SIDE) - np.rot90(frame(image, side=SIDE), turns)).max() < 0.05


def test_an_empty_image_is_not_cropped() -> None:
    assert frame(sky((90, 60)), side=SIDE) == pytest.approx(0.02, abs=1e-3)


@settings(max_examples=30, deadline=None)
@given(images)
def test_a_crop_is_not_brighter_than_its_image(pixels: NDArray[np.float32]) -> None:
    crop = frame(pixels, side=16)
    assert crop.shape == (16, 16, 3)
    assert crop.min() >= 0
    assert crop.max() <= pixels.max() + 1e-5


def test_a_margin_shows_the_surroundings_and_keeps_the_galaxy_in_the_middle() -> None:
    image = sky((300, 300), (150, 150, 15), (150, 70, 6))
    crop, wide = frame(image, side=SIDE), frame(image, side=SIDE, margin=2)
    assert spread(wide) == pytest.approx(spread(crop) / 4, rel=0.25)
    assert centre(frame(sky((300, 300), (150, 150, 15)), side=SIDE, margin=2)) == pytest.approx((SIDE / 2, SIDE / 2), abs=1)
    assert crop[: SIDE // 8].max() < 0.3  # the companion is outside the crop
    assert wide[: SIDE // 4].max() > 0.7

"""Skies: synthetic ones, and frames with their galaxies removed."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from backend.heads.extraction.extract import extract
from backend.scenes.light import to_image
from backend.scenes.skies import SyntheticSky, clean

STAR, GALAXY = (60, 60), (140, 150)


@pytest.fixture(scope="module")
def frame() -> NDArray[np.uint8]:
    """Return a survey frame with a bright star and a galaxy, and their (row, column)."""
    image = np.random.default_rng(0).normal(0.02, 0.01, (200, 220, 3))
    for place, width, peak in ((STAR, 1.4, 2.0), (GALAXY, 6.0, 0.5)):
        point = np.zeros(image.shape[:2])
        point[place] = 1
        spread = ndimage.gaussian_filter(point, width)
        image += (peak * spread / spread.max())[..., None]
    pixels: NDArray[np.uint8] = (to_image(image.astype(np.float32)) * 255).round().astype(np.uint8)
    return pixels


def test_galaxies_are_removed_from_a_frame_and_bright_stars_stay(frame: NDArray[np.uint8]) -> None:
    sky = clean(frame)
    assert sky.image[STAR].mean() == frame[STAR].mean()
    assert sky.image[GALAXY].mean() < 40
    sources = extract(sky.image.astype(np.float32) / np.float32(255)).sources
    corners = [(source.corner[1], source.corner[0]) for source in sources]
    assert len(corners) == 1
    assert sky.removed_pixels[GALAXY]
    assert not sky.removed_pixels[STAR]


def test_replaced_pixels_have_the_noise_of_the_sky(frame: NDArray[np.uint8]) -> None:
    sky = clean(frame)
    assert sky.image[sky.removed_pixels].std() == pytest.approx(sky.image[:40].std(), rel=0.25)


def test_a_patch_has_the_requested_size_even_from_a_small_frame(frame: NDArray[np.uint8]) -> None:
    sky = clean(frame)
    for side in (64, 200, 300):
        assert sky.draw(np.random.default_rng(0), side).shape == (side, side, 3)


def test_synthetic_sky_has_no_sources() -> None:
    for seed in range(20):
        image = to_image(SyntheticSky().draw(np.random.default_rng(seed), 128))
        assert extract(image).sources == ()

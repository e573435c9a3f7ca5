"""Missing and saturated pixels are found and filled."""

from __future__ import annotations

import numpy as np

from backend.heads.restoration.missing import fill_missing

SKY = np.random.default_rng(0).normal(100, 1, (40, 40))


def test_an_image_without_missing_pixels_is_unchanged() -> None:
    result = fill_missing(SKY, sky=100, noise=1, saturation=None)
    assert not result.missing.any()
    assert np.array_equal(result.pixels, SKY)


def test_missing_pixels_get_values_near_those_of_their_neighbours() -> None:
    image = SKY.copy()
    image[10, 10], image[20:23, 20:23], image[0, 0] = np.nan, np.inf, -np.inf
    result = fill_missing(image, sky=100, noise=1, saturation=None)
    assert np.count_nonzero(result.missing) == 11
    assert np.abs(result.pixels[result.missing] - 100).max() < 3


def test_a_large_hole_is_filled_with_the_sky() -> None:
    image = SKY.copy()
    image[:20] = np.nan
    assert np.allclose(fill_missing(image, sky=100, noise=1, saturation=None).pixels[:10], 100)


def test_a_plateau_at_the_maximum_is_a_saturated_core() -> None:
    image = SKY.copy()
    image[8:11, 8:11] = 5000
    assert fill_missing(image, sky=100, noise=1, saturation=None).saturated_px == 9


def test_a_single_brightest_pixel_and_a_faint_plateau_are_not_saturated() -> None:
    image = SKY.copy()
    image[8, 8] = 5000
    assert fill_missing(image, sky=100, noise=1, saturation=None).saturated_px == 0
    assert fill_missing(np.minimum(SKY, 101), sky=100, noise=1, saturation=None).saturated_px == 0


def test_the_saturation_of_the_header_counts() -> None:
    image = SKY.copy()
    image[8, 8:11] = (3000, 4000, 3500)
    assert fill_missing(image, sky=100, noise=1, saturation=3200.0).saturated_px == 2

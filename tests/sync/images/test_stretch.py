from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from sync.images.stretch import asinh, in_colour, lupton

FINITE_OR_NOT = st.floats(width=32) | st.sampled_from([np.nan, np.inf, -np.inf])


def galaxy(seed: int = 0, *, peak: float = 100.0) -> NDArray[np.float64]:
    """Return noise of 1 around a sky of 10, and a round galaxy in the middle."""
    y, x = np.mgrid[:64, :64] - 32.0
    return 10 + np.random.default_rng(seed).normal(size=(64, 64)) + peak * np.exp(-np.hypot(x, y) / 6)


def test_sky_is_dark_and_the_galaxy_bright() -> None:
    pixels = asinh(galaxy())
    assert pixels[:10].mean() < 0.2
    assert pixels[32, 32] > 0.7


def test_a_stretch_keeps_the_order_of_brightness() -> None:
    image = galaxy()
    order = np.argsort(image, axis=None)
    assert (np.diff(asinh(image).ravel()[order]) >= 0).all()


@pytest.mark.slow
@given(st.floats(1e-12, 1e12), st.floats(-1e3, 1e3))
def test_the_unit_and_the_sky_level_do_not_matter(unit: float, level: float) -> None:
    assert asinh((galaxy() + level) * unit) == pytest.approx(asinh(galaxy()), abs=1e-3)


def test_a_few_hot_pixels_do_not_darken_the_rest() -> None:
    hot = galaxy()
    hot[3, 3], hot[5, 50] = 1e9, -1e9
    assert asinh(hot)[20:44, 20:44] == pytest.approx(asinh(galaxy())[20:44, 20:44], abs=0.01)


def test_missing_pixels_are_black_and_do_not_affect_others() -> None:
    image_with_holes = galaxy()
    image_with_holes[:4] = [[np.nan], [np.inf], [-np.inf], [np.nan]]
    pixels = asinh(image_with_holes)
    assert (pixels[:4] == 0).all()
    assert pixels[4:] == pytest.approx(asinh(galaxy())[4:], abs=0.05)


def test_a_model_without_noise_is_displayed_over_its_full_range() -> None:
    image = np.zeros((64, 64))
    image[20:40, 20:40] = np.linspace(0, 5, 20)
    pixels = asinh(image)
    assert pixels[0, 0] < 0.2
    assert pixels.max() > 0.9


@pytest.mark.parametrize("value", [0.0, 7.5, -1e30, np.nan])
def test_an_image_without_contrast_is_black(value: float) -> None:
    assert (asinh(np.full((5, 5), value)) == 0).all()
    assert (in_colour(np.full((3, 5, 5), value)) == 0).all()


def test_equal_bands_are_grey() -> None:
    pixels = lupton(galaxy(), galaxy(), galaxy())
    assert pixels[..., 0] == pytest.approx(pixels[..., 1], abs=1e-5)
    assert pixels[..., 1] == pytest.approx(pixels[..., 2], abs=1e-5)


def test_a_source_in_the_red_band_only_is_red() -> None:
    red, green, blue = lupton(galaxy(1), galaxy(2, peak=0), galaxy(3, peak=0))[32, 32]
    assert red > 0.9
    assert max(green, blue) < 0.3


def test_bands_of_different_shapes_are_rejected() -> None:
    with pytest.raises(ValueError, match="one shape"):
        lupton(np.zeros((4, 4)), np.zeros((4, 5)), np.zeros((4, 4)))


def test_the_first_band_is_the_bluest() -> None:
    bands = np.stack([galaxy(1, peak=0), galaxy(2, peak=0), galaxy(3)])
    assert np.argmax(in_colour(bands, weights=[1, 1, 1])[32, 32]) == 0
    assert np.argmax(in_colour(bands[::-1], weights=[1, 1, 1])[32, 32]) == 2


def test_without_weights_sources_are_grey_in_any_units() -> None:
    bands = np.stack([galaxy(1), 50 * galaxy(2), 0.1 * galaxy(3)])
    assert np.ptp(in_colour(bands)[30:35, 30:35], axis=-1).max() < 0.15


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 9])
def test_any_number_of_bands_makes_a_colour_image(count: int) -> None:
    pixels = in_colour(np.stack([galaxy(seed) for seed in range(count)]))
    assert pixels.shape == (64, 64, 3)
    assert pixels[32, 32].min() > 0.5


@given(hnp.arrays(np.float32, hnp.array_shapes(min_dims=3, max_dims=3, max_side=6), elements=FINITE_OR_NOT))
def test_any_floats_give_values_between_zero_and_one(bands: NDArray[np.float32]) -> None:
    pixels = in_colour(bands)
    assert pixels.shape == (*bands.shape[1:], 3)
    assert pixels.dtype == np.float32
    assert pixels.min() >= 0
    assert pixels.max() <= 1


@given(hnp.arrays(np.float64, (3, 4, 4), elements=st.floats()))
def test_any_doubles_give_values_between_zero_and_one(bands: NDArray[np.float64]) -> None:
    pixels = in_colour(bands)
    assert pixels.min() >= 0
    assert pixels.max() <= 1


@pytest.mark.parametrize("count", [1, 3, 5])
def test_an_image_without_noise_has_the_brightness_of_its_reference(count: int) -> None:
    bands = np.stack([galaxy(seed) for seed in range(count)])
    clean = np.stack([galaxy(seed) - np.random.default_rng(seed).normal(size=(64, 64)) for seed in range(count)])
    pixels, reference = in_colour(clean, reference=bands), in_colour(bands)
    assert pixels[:10].mean() == pytest.approx(reference[:10].mean(), abs=0.02)
    assert pixels[32, 32] == pytest.approx(reference[32, 32], abs=0.02)

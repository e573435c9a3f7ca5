"""Ownership: which pixels belong to which galaxy, and how much galaxies overlap."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.scenes.ownership import divide_light

SIDE = 60
NO_STARS = np.zeros((0, SIDE, SIDE), np.float32)


def disc(x: float, y: float, *, peak: float, size: float = 5.0) -> NDArray[np.float32]:
    """Return the light of a Gaussian galaxy at a place of the scene."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    light: NDArray[np.float32] = (peak * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * size**2))).astype(np.float32)
    return light


def test_an_isolated_galaxy_owns_all_pixels_above_the_limit() -> None:
    light = disc(30, 30, peak=10)
    truth = divide_light(light[None], NO_STARS, limit=2.0, noise=1.0)
    assert np.array_equal(truth.masks[0], light > 2.0)
    assert truth.overlap[0] == pytest.approx(0, abs=1e-6)
    assert not truth.touches[0]


def test_the_signal_to_noise_ratio_is_that_of_the_own_light_in_the_mask() -> None:
    light = disc(30, 30, peak=10)
    inside = light > 2.0
    truth = divide_light(light[None], NO_STARS, limit=2.0, noise=0.5)
    assert truth.snr[0] == pytest.approx(light[inside].sum() / (0.5 * np.sqrt(inside.sum())), rel=1e-5)
    with_correlation = divide_light(light[None], NO_STARS, limit=2.0, noise=0.5, correlation=2.0)
    assert with_correlation.snr[0] == pytest.approx(truth.snr[0] / 2)


def test_the_border_of_equal_neighbours_lies_in_the_middle() -> None:
    truth = divide_light(np.stack([disc(24, 30, peak=10), disc(35, 30, peak=10)]), NO_STARS, limit=1.0, noise=1.0)
    assert truth.touches.all()
    assert not (truth.masks[0] & truth.masks[1]).any()
    assert np.flatnonzero(truth.masks[0][30]).max() == 29
    assert np.flatnonzero(truth.masks[1][30]).min() == 30


def test_a_brighter_neighbour_takes_pixels_and_hides_a_faint_galaxy() -> None:
    bright, faint = disc(30, 30, peak=100, size=8), disc(33, 30, peak=10, size=3)
    truth = divide_light(np.stack([bright, faint]), NO_STARS, limit=1.0, noise=1.0)
    assert not truth.masks[1].any()
    assert truth.snr[1] == 0
    assert truth.overlap[1] > 0.8 > 0.2 > truth.overlap[0]
    assert truth.owns_peak.tolist() == [True, False]


def test_a_star_owns_pixels_but_has_no_mask() -> None:
    galaxy, star = disc(30, 30, peak=10), disc(30, 30, peak=50, size=1.2)
    truth = divide_light(galaxy[None], star[None], limit=1.0, noise=1.0)
    assert not truth.masks[0][30, 30]
    assert truth.masks[0].sum() == ((galaxy > 1.0) & (galaxy > star)).sum() > 0
    assert not truth.touches[0]


def test_galaxies_at_one_place_overlap_by_a_half() -> None:
    truth = divide_light(np.stack([disc(30, 30, peak=10)] * 2), NO_STARS, limit=1.0, noise=1.0)
    assert truth.overlap == pytest.approx([0.5, 0.5])


def test_a_scene_without_galaxies_has_no_masks() -> None:
    truth = divide_light(NO_STARS, disc(30, 30, peak=10)[None], limit=1.0, noise=1.0)
    assert truth.masks.shape == (0, SIDE, SIDE)
    assert truth.snr.shape == truth.overlap.shape == truth.touches.shape == (0,)

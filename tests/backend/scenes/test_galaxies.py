"""Simulated galaxies and stars: profiles, sizes and colours."""

from __future__ import annotations

import math

import numpy as np
import pytest
from astropy.modeling.models import Sersic1D

from backend.scenes.galaxies import draw_galaxy, sersic
from backend.scenes.stars import WELL, draw_star


@pytest.mark.parametrize("index", [0.5, 1.0, 2.5, 4.0])
def test_the_profile_is_that_of_sersic(index: float) -> None:
    radius = np.linspace(0.1, 5, 40, dtype=np.float32)
    assert sersic(radius, index=index) == pytest.approx(Sersic1D(1, 1, index)(radius), rel=0.02)


def test_galaxies_are_finite_and_have_light_in_every_band() -> None:
    for seed in range(40):
        light = draw_galaxy(np.random.default_rng(seed), radius=5, psf=1.4).light
        assert np.isfinite(light).all()
        assert light.min() >= 0
        assert (light.sum(axis=(0, 1)) > 0).all()


def test_larger_galaxies_have_a_larger_extent() -> None:
    def half_light_area(radius: float, seed: int) -> int:
        light = np.sort(draw_galaxy(np.random.default_rng(seed), radius=radius, psf=0.5).light.mean(axis=2), axis=None)[::-1]
        return int((light.cumsum() < light.sum() / 2).sum())

    ratios = [half_light_area(16, seed) / half_light_area(8, seed) for seed in range(30)]
    assert np.median(ratios) == pytest.approx(4, rel=0.3)


def test_a_galaxy_is_drawn_at_its_centre() -> None:
    for seed in range(20):
        stamp = draw_galaxy(np.random.default_rng(seed), radius=4, psf=1.4)
        grey = stamp.light.mean(axis=2)
        rows, columns = np.indices(grey.shape)
        assert (columns * grey).sum() / grey.sum() == pytest.approx(stamp.centre[0], abs=1.5)
        assert (rows * grey).sum() / grey.sum() == pytest.approx(stamp.centre[1], abs=1.5)


def test_stars_have_the_width_of_the_psf_and_limited_brightness() -> None:
    for seed in range(60):
        grey = draw_star(np.random.default_rng(seed), psf=1.5).light
        assert grey.max() <= WELL
        if grey.max() < 1:
            band = grey[..., 1]
            assert (band > band.max() / 2).sum() == pytest.approx(2 * math.pi * math.log(2) * 1.5**2, abs=6)

"""Ceilings of masks of blends: fits of profiles recover simulated ones, and both methods are near the truth."""

from __future__ import annotations

import numpy as np
import pytest

from backend.scenes import SurveySceneGenerator
from benchmarks.objects.ceiling import ceilings_of
from benchmarks.objects.profile_fit import fit_profiles, measure_profile, render_profile

PSF = np.outer(*[np.exp(-(np.arange(-6, 7) ** 2) / (2 * 1.5**2))] * 2)
PSF /= PSF.sum()
SHAPE = (40, 50)
PAIR = np.asarray([[20.0, 20.0, 6.0, np.log(4), np.log(1.2), 1.0, 0.4], [30.0, 22.0, 5.0, np.log(3), np.log(2.5), 0.0, 1.5]])


def test_a_profile_has_its_place_and_keeps_its_flux_when_blurred() -> None:
    light = render_profile(PAIR[0], SHAPE, PSF)
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]] + 0.5
    assert (light * columns).sum() / light.sum() == pytest.approx(20, abs=0.3)
    assert (light * rows).sum() / light.sum() == pytest.approx(20, abs=0.3)
    point = np.zeros((3, 3))
    point[1, 1] = 1
    assert light.sum() == pytest.approx(render_profile(PAIR[0], SHAPE, point).sum(), rel=0.02)


def test_a_measured_profile_has_the_flux_and_nearly_the_angle_of_the_light() -> None:
    light = render_profile(PAIR[0], SHAPE, PSF)
    profile = measure_profile(light, PSF)
    assert render_profile(profile, SHAPE, PSF).sum() == pytest.approx(light.sum())
    assert profile[6] == pytest.approx(PAIR[0][6], abs=0.1)


def test_a_fit_divides_the_light_of_two_galaxies() -> None:
    lights = np.stack([render_profile(each, SHAPE, PSF) for each in PAIR])
    noisy = lights.sum(axis=0) + np.random.default_rng(0).normal(0, 0.05, SHAPE)
    start = np.stack([measure_profile(light, PSF) for light in lights])
    fits = fit_profiles(noisy, start, psf=PSF, noise=0.05)
    bright = lights.sum(axis=0) > 1
    assert np.mean((fits.argmax(axis=0) == lights.argmax(axis=0))[bright]) > 0.93


def test_both_methods_are_near_the_true_masks() -> None:
    generator = SurveySceneGenerator()
    ceilings = [each for seed in range(12) for each in ceilings_of(seed, generator.draw_exposure(seed, 128))]
    assert len(ceilings) >= 2
    assert np.mean([each.noise_alone for each in ceilings]) > 0.85
    assert np.mean([each.fitted_profiles for each in ceilings]) > 0.7

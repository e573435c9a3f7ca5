"""The forecast: fits curves of every family, covers simulated gains, and refuses too few points."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.reports.curve import CurvePoint
from backend.reports.curve_families import FAMILIES, Family, fit_family
from backend.reports.estimate import Estimate
from backend.reports.forecast import NoForecast, forecast

SIZES = np.array([10, 15, 23, 35, 53, 80, 121, 180], np.float64)


def width(gain: Estimate) -> float:
    assert gain.low is not None
    assert gain.high is not None
    return gain.high - gain.low


def points(values: NDArray[Any], sizes: NDArray[Any] = SIZES, *, spread: float = 0.0) -> list[CurvePoint]:
    return [CurvePoint(labels=int(size), value=float(value), spread=spread) for size, value in zip(sizes, values, strict=True)]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_family_is_fitted_to_its_own_curve(family: Family) -> None:
    shape = family.shapes(float(SIZES.max()))[len(family.shapes(180.0)) // 2][None]
    later = np.array([10.0, 180.0, 280.0])
    # With an asymptote of 0.9, or below 1 for the logarithm.
    curve = 0.9 - 0.5 * (family.decay(SIZES, shape)[0] if family.parameters > 2 else -np.log1p(SIZES) / 30 + 0.4)
    fit = fit_family(family, SIZES, curve[None], np.ones(len(SIZES)))
    expected = 0.9 - 0.5 * (family.decay(later, shape)[0] if family.parameters > 2 else -np.log1p(later) / 30 + 0.4)
    assert fit.predict(later)[0] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_no_curve_falls_or_rises_above_one(family: Family) -> None:
    source = np.random.default_rng(0)
    values = np.concatenate([np.sort(source.uniform(0.2, 1, (20, 8)))[:, ::-1], np.sort(source.uniform(0.9, 1, (20, 8)))])
    curves = fit_family(family, SIZES, values, np.ones(8)).predict(np.arange(1, 1000).astype(np.float64))
    assert (np.diff(curves) >= -1e-12).all()
    assert curves.max() <= 1


def test_an_exact_power_law_is_continued() -> None:
    gain, families = forecast(points(0.95 - 0.9 * (1 + SIZES) ** -0.6), at=180, further_labels=100)
    assert gain.value == pytest.approx(0.9 * (181**-0.6 - 281**-0.6), abs=0.002)
    assert set(families) == {family.name for family in FAMILIES}
    assert gain.low is not None
    assert gain.high is not None
    assert gain.low < gain.value < gain.high < 0.02


def test_a_flat_curve_has_no_gain() -> None:
    gain, _ = forecast(points(np.full(8, 0.8)), at=180, further_labels=100)
    assert gain.value == pytest.approx(0, abs=1e-3)
    assert gain.high is not None
    assert gain.high < 0.005


def test_a_falling_curve_has_no_gain() -> None:
    gain, families = forecast(points(np.linspace(0.9, 0.8, 8)), at=180, further_labels=100)
    assert gain.value == 0
    assert set(families.values()) == {0.0}


def test_the_interval_is_wider_for_noisy_points() -> None:
    curve, noise = 0.95 - 0.9 * (1 + SIZES) ** -0.6, np.random.default_rng(1).normal(0, 0.02, 8)
    exact, noisy = (forecast(points(values), at=180, further_labels=100)[0] for values in (curve, curve + noise))
    assert width(noisy) > 3 * (width(exact))


@pytest.mark.slow
def test_the_interval_covers_the_gain_of_simulated_curves() -> None:
    source = np.random.default_rng(3)
    hits = []
    for _ in range(60):
        top, drop, power, noise = source.uniform((0.8, 0.3, 0.3, 0.003), (0.98, 1.2, 1, 0.015))
        true = lambda labels: top - drop * (1 + labels) ** -power  # noqa: B023, E731  (used within the iteration)
        values = true(SIZES) + source.normal(0, noise * np.sqrt(40 / SIZES))
        gain, _ = forecast(points(values), at=180, further_labels=100)
        measured_gain = float(true(280) - true(180)) + source.normal(0, noise * np.sqrt(40 / 280))
        hits.append(gain.low <= measured_gain <= gain.high)
    assert 0.6 <= np.mean(hits) <= 0.9


def test_the_forecast_is_repeatable() -> None:
    noisy_points = points(0.9 - 0.5 * (1 + SIZES) ** -0.5 + np.random.default_rng(0).normal(0, 0.01, 8))
    assert forecast(noisy_points, at=180, further_labels=100) == forecast(noisy_points[::-1], at=180, further_labels=100)


def test_three_points_give_no_forecast() -> None:
    with pytest.raises(NoForecast, match="needs 4 points of the learning curve, which has 3"):
        forecast(points(np.array([0.5, 0.6, 0.7]), np.array([10, 20, 30])), at=30, further_labels=100)


def test_repeated_sizes_count_once() -> None:
    with pytest.raises(NoForecast, match="which has 2"):
        forecast(points(np.full(6, 0.5), np.array([10, 10, 10, 30, 30, 30])), at=30, further_labels=100)


def test_points_close_together_give_no_forecast() -> None:
    with pytest.raises(NoForecast, match="they range from 100 to 130"):
        forecast(points(np.full(4, 0.5), np.array([100, 110, 120, 130])), at=130, further_labels=100)


def test_points_without_labels_are_left_out() -> None:
    values, sizes = np.array([0.3, 0.5, 0.6, 0.65, 0.7]), np.array([0, 10, 20, 40, 80])
    assert forecast(points(values, sizes), at=80, further_labels=100) == forecast(
        points(values[1:], sizes[1:]), at=80, further_labels=100
    )

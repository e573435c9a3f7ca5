"""Measured structures of simulated galaxies follow the strengths with which the galaxies were simulated."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from backend.scenes.light import to_image
from benchmarks.shipped_weights.measured_structures import measure_structures
from benchmarks.shipped_weights.simulated_galaxies import draw_galaxy

GALAXIES = 120


@pytest.fixture(scope="module")
def pairs() -> list[tuple[dict[str, float], dict[str, float]]]:
    """Return true strengths and measures of galaxies."""
    galaxies = []
    for seed in range(GALAXIES):
        rng = np.random.default_rng(seed)
        galaxy = draw_galaxy(rng, index=1, q=float(rng.uniform(0.35, 1)), radius=18, side=160)
        light = 0.4 * (galaxy.old + galaxy.young) + rng.normal(0, 0.004, galaxy.old.shape)
        image = to_image(np.repeat(light[..., None], 3, axis=2).astype(np.float32))
        galaxies.append((galaxy.strengths, measure_structures(image)))
    return galaxies


@pytest.mark.parametrize(
    ("structure", "measure", "least"),
    [
        ("round", "round", 0.6),
        ("ring", "ring", 0.3),
        ("arms", "two_arms", 0.2),
        ("clumps", "clumps", 0.15),
        ("bulge", "concentration", 0.3),
    ],
)
def test_a_measure_follows_the_strength(
    pairs: list[tuple[dict[str, float], dict[str, float]]], structure: str, measure: str, least: float
) -> None:
    strengths, values = [truth[structure] for truth, _ in pairs], [values[measure] for _, values in pairs]
    assert stats.spearmanr(strengths, values).statistic > least


def test_an_empty_image_has_finite_measures() -> None:
    for pixels in (np.zeros((40, 60, 3), np.float32), np.ones((32, 32, 3), np.float32)):
        assert np.isfinite(list(measure_structures(pixels).values())).all()

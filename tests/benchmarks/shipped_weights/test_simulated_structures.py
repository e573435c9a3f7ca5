"""Simulated galaxies: each structure is visible in the light, and its strength is written as a share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from backend.scenes.skies import SyntheticSky
from benchmarks.shipped_weights.simulated_galaxies import Galaxy, draw_galaxy
from benchmarks.shipped_weights.simulated_structures import observe, shares_of

SIDE, RADIUS = 96, 9.0
GALAXIES = 120
ROWS, COLUMNS = np.indices((SIDE, SIDE))
DISTANCE = np.hypot(ROWS - (SIDE - 1) / 2, COLUMNS - (SIDE - 1) / 2) / RADIUS
"""Distance from the middle, effective radii."""


def draw(seed: int, *, index: float = 1.0, q: float = 0.9) -> Galaxy:
    return draw_galaxy(np.random.default_rng(seed), index=index, q=q, radius=RADIUS, side=SIDE)


@pytest.fixture(scope="module")
def spheroids() -> list[Galaxy]:
    """Return galaxies that can have rings, shells, tails and companions."""
    return [draw(seed, index=4) for seed in range(GALAXIES)]


def outward_rise(galaxy: Galaxy) -> float:
    """Return the largest outward rise of the radial profile, decades."""
    light = galaxy.old + galaxy.young
    profile = [np.median(light[(r <= DISTANCE) & (r + 0.15 > DISTANCE)]) for r in np.arange(0.5, 4, 0.15)]
    decades = np.log10(np.array(profile) + 1e-4)
    return float(np.max(decades - np.minimum.accumulate(decades)))


def outer_share(galaxy: Galaxy) -> float:
    """Return the fraction of the light beyond 1.5 effective radii."""
    light = galaxy.old + galaxy.young
    return float(light[DISTANCE > 1.5].sum() / light.sum())


@pytest.mark.parametrize(
    ("structure", "measure", "least"),
    [
        ("ring", outward_rise, 0.6),
        ("companion", outer_share, 0.35),
        ("tail", outer_share, 0.2),
        ("shells", outer_share, 0.1),
    ],
)
def test_a_structure_is_visible_in_proportion_to_its_strength(
    spheroids: list[Galaxy], structure: str, measure: Callable[[Galaxy], float], least: float
) -> None:
    strengths = [galaxy.strengths[structure] for galaxy in spheroids]
    assert stats.spearmanr(strengths, [measure(galaxy) for galaxy in spheroids]).statistic > least


def test_arms_and_bars_change_the_light_along_ellipses() -> None:
    def unevenness(galaxy: Galaxy) -> float:
        light = (galaxy.old + galaxy.young)[(DISTANCE > 0.3) & (DISTANCE < 1)]
        return float(light.std() / light.mean())

    discs = [draw(seed, q=1.0) for seed in range(GALAXIES)]
    plain = [galaxy for galaxy in discs if galaxy.strengths["arms"] + galaxy.strengths["bar"] + galaxy.strengths["clumps"] == 0]
    for structure in ("arms", "bar"):
        strong = [galaxy for galaxy in discs if galaxy.strengths[structure] > 0.5]
        assert np.median([unevenness(galaxy) for galaxy in strong]) > 1.2 * np.median([unevenness(galaxy) for galaxy in plain])


def test_a_galaxy_is_reproduced_by_its_seed() -> None:
    assert np.array_equal(draw(3).old, draw(3).old)
    assert not np.array_equal(draw(3).old, draw(4).old)


@pytest.mark.parametrize("index", [1.0, 4.0])
def test_strengths_are_shares_whose_sum_is_that_of_the_volunteers_asked(index: float) -> None:
    for seed in range(20):
        galaxy = draw(seed, index=index)
        shares = shares_of(galaxy)
        assert all(0 <= share <= 1 for share in shares.values())
        assert shares["sim_ring/yes"] == galaxy.strengths["ring"]
        for name in galaxy.strengths:
            assert shares[f"sim_{name}/yes"] + shares[f"sim_{name}/no"] == pytest.approx(1)
        for question in ("sim_arm_number/", "sim_winding/"):
            total = sum(share for name, share in shares.items() if name.startswith(question))
            assert total == pytest.approx(galaxy.strengths["arms"])


def test_an_edge_on_galaxy_has_no_ring_bar_or_arms() -> None:
    edge_on = [draw(seed, q=0.2).strengths for seed in range(20)]
    assert all(strengths["edge_on"] == 1 for strengths in edge_on)
    assert not any(strengths[name] for strengths in edge_on for name in ("ring", "bar", "arms"))


@pytest.mark.parametrize("index", [0.7, 5.0])
def test_the_survey_image_shows_the_galaxy_in_the_middle(index: float) -> None:
    rng = np.random.default_rng(0)
    for seed in range(6):
        image = observe(rng, draw(seed, index=index), SyntheticSky())
        assert (image.shape, image.dtype) == ((SIDE, SIDE, 3), np.uint8)
        middle = slice(SIDE // 2 - 4, SIDE // 2 + 4)
        assert image[middle, middle].mean() > 1.5 * np.median(image)

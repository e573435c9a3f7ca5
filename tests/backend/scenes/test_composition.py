"""Composition: which galaxies count, and the positions of their footprints."""

from __future__ import annotations

import numpy as np
import pytest

from backend.scenes.composition import Composition
from backend.scenes.scene import Scene
from backend.scenes.stamp import Stamp

SIDE = 100


def blob(peak: float, size: float = 4.0) -> Stamp:
    """Return a round galaxy with a Gaussian profile."""
    half = round(4 * size)
    line = np.arange(-half, half + 1)
    light = peak * np.exp(-(line[None] ** 2 + line[:, None] ** 2) / (2 * size**2))
    return Stamp(np.repeat(light[..., None], 3, axis=2).astype(np.float32), (half, half))


@pytest.fixture
def composition() -> Composition:
    return Composition.on(np.random.default_rng(0).normal(0.01, 0.005, (SIDE, SIDE, 3)).astype(np.float32))


def finish(composition: Composition) -> Scene:
    return composition.finish(composition.light)


def test_a_galaxy_gets_a_footprint_around_its_position(composition: Composition) -> None:
    composition.add(blob(0.5), (30, 60), kind="simulated")
    left, top, right, bottom = finish(composition).boxes[0]
    assert (left + right) / 2 == pytest.approx(30.5)
    assert (top + bottom) / 2 == pytest.approx(60.5)
    assert 10 < right - left < 25


def test_a_brighter_galaxy_has_a_larger_footprint_and_light_adds_up(composition: Composition) -> None:
    before = composition.light.sum()
    composition.add(blob(0.2), (25, 50), kind="simulated")
    composition.add(blob(2.0), (75, 50), kind="simulated")
    areas = finish(composition).masks.sum(axis=(1, 2))
    assert areas[1] >= areas[0]
    assert composition.light.sum() - before == pytest.approx(blob(0.2).light.sum() + blob(2.0).light.sum(), rel=1e-4)


def test_an_invisible_galaxy_is_drawn_without_a_box(composition: Composition) -> None:
    before = composition.light.sum()
    composition.add(blob(0.02), (50, 50), kind="simulated")
    assert len(finish(composition)) == 0
    assert composition.light.sum() > before


def test_stars_do_not_count_as_objects(composition: Composition) -> None:
    composition.add_star(blob(5.0, size=1.5), (50, 50))
    assert len(finish(composition)) == 0


def test_overlapping_galaxies_keep_their_complete_footprints(composition: Composition) -> None:
    alone = Composition.on(composition.light.copy())
    alone.add(blob(0.5), (40, 50), kind="simulated")
    composition.add(blob(0.5), (40, 50), kind="simulated")
    composition.add(blob(0.4), (52, 50), kind="cutout")
    scene = finish(composition)
    assert scene.kinds == ("simulated", "cutout")
    assert scene.is_blended.all()
    assert (scene.masks[0] == finish(alone).masks[0]).all()


def test_a_galaxy_inseparable_from_its_neighbour_is_not_drawn(composition: Composition) -> None:
    composition.add(blob(2.0, size=8), (50, 50), kind="simulated")
    light = composition.light.sum()
    composition.add(blob(0.1, size=3), (52, 50), kind="simulated")
    composition.add(blob(1.9, size=8), (53, 50), kind="simulated")
    assert len(finish(composition)) == 1
    assert composition.light.sum() == light


def test_a_close_pair_is_one_object_and_a_wide_one_two(composition: Composition) -> None:
    composition.add_pair(blob(0.5), blob(0.4), (25, 50), offset=(6, 0))
    assert len(finish(composition)) == 1
    composition.add_pair(blob(0.5), blob(0.4), (65, 30), offset=(0, 22))
    scene = finish(composition)
    assert len(scene) == 3
    assert scene.boxes[2, 1] > scene.boxes[1, 1] + 15


def test_a_galaxy_at_the_edge_is_clipped(composition: Composition) -> None:
    composition.add(blob(0.5), (1, 50), kind="simulated")
    composition.add(blob(0.5), (500, 500), kind="simulated")
    scene = finish(composition)
    assert len(scene) == 1
    assert scene.boxes[0, 0] == 0

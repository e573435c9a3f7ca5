"""Deep fields: many compact galaxies, few stars, and scenes without them that stay as they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backend.scenes import SurveyScene, SurveySceneGenerator
from backend.scenes.deep_field import DEEP_FIELD
from backend.scenes.stars import draw_point_source

PLAIN = SurveySceneGenerator()


@pytest.fixture(scope="module")
def deep_fields() -> list[SurveyScene]:
    generator = replace(PLAIN, deep_share=1.0)
    return [generator.draw(seed, side=96) for seed in range(10)]


def test_deep_fields_have_many_small_galaxies_and_few_stars(deep_fields: list[SurveyScene]) -> None:
    plain = [PLAIN.draw(seed, side=96) for seed in range(10)]
    assert {scene.survey for scene in deep_fields} == {DEEP_FIELD.name}
    assert sum(map(len, deep_fields)) > 4 * sum(map(len, plain))
    assert sum(len(scene.star_places) for scene in deep_fields) < sum(len(scene.star_places) for scene in plain)
    sizes = np.concatenate([scene.masks.sum(axis=(1, 2)) for scene in deep_fields])
    assert np.median(sizes) < 60


def test_a_share_of_scenes_are_deep_fields() -> None:
    generator = replace(PLAIN, deep_share=0.5)
    deep_count = sum(generator.draw(seed, side=32).survey == DEEP_FIELD.name for seed in range(40))
    assert 10 < deep_count < 30


@pytest.mark.parametrize("spikes_turn", [False, True])
def test_spikes_turn_between_the_bands_of_some_stars(spikes_turn: bool) -> None:
    psf = np.zeros((9, 9), np.float32)
    psf[3:6, 3:6] = 1 / 9
    has_turned = []
    for seed in range(12):
        light = draw_point_source(np.random.default_rng(seed), psf, fwhm=2.0, peak=11.0, spikes_turn=spikes_turn).light
        ratio = (light[..., 0] / np.maximum(light[..., 2], 1e-9))[light[..., 2] > 1e-4]
        has_turned.append(bool(ratio.std() > 1e-3 * ratio.mean()))
    assert any(has_turned) == spikes_turn

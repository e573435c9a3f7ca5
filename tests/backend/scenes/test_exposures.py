"""Survey scenes: their masks, measures and contents, which the seed determines completely."""

from __future__ import annotations

import numpy as np
import pytest

from backend.scenes import SurveyScene, SurveySceneGenerator
from backend.scenes.exposures import LEAST_SNR
from backend.scenes.surveys import SURVEYS

SIMULATED = SurveySceneGenerator()


@pytest.fixture(scope="module")
def scenes() -> list[SurveyScene]:
    return [SIMULATED.draw(seed, side=128) for seed in range(40)]


def test_masks_are_disjoint_and_boxes_tight_around_them(scenes: list[SurveyScene]) -> None:
    for scene in scenes:
        n = len(scene)
        assert scene.image.shape == (128, 128, 3)
        assert scene.masks.shape == (n, 128, 128)
        assert scene.masks.sum(axis=0).max(initial=0) <= 1
        assert len(scene.snr) == len(scene.overlap) == len(scene.is_blended) == len(scene.boxes) == n
        for mask, box in zip(scene.masks, scene.boxes, strict=True):
            rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
            assert box.tolist() == [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]


def test_listed_galaxies_are_bright_enough_and_others_have_a_position(scenes: list[SurveyScene]) -> None:
    assert all((scene.snr >= LEAST_SNR).all() for scene in scenes)
    assert sum(len(scene.faint_places) for scene in scenes) > 20
    assert all(scene.faint_places.shape == (len(scene.faint_places), 2) for scene in scenes)


def test_stars_have_a_position(scenes: list[SurveyScene]) -> None:
    assert sum(len(scene.star_places) for scene in scenes) > 20
    bright = [
        scene.image[int(y), int(x)].mean() > np.median(scene.image) + 0.2
        for scene in scenes
        for x, y in scene.star_places
        if 0 <= x < 128 and 0 <= y < 128
    ]
    assert any(bright)


def test_pixels_are_multiples_of_a_grey_level(scenes: list[SurveyScene]) -> None:
    for scene in scenes:
        assert 0 <= scene.image.min() <= scene.image.max() <= 1
        assert np.allclose(scene.image * 255, np.rint(scene.image * 255), atol=1e-4)


def test_the_light_of_a_picture_follows_the_masks(scenes: list[SurveyScene]) -> None:
    for scene in scenes:
        grey = scene.image.mean(axis=2)
        for mask, snr in zip(scene.masks, scene.snr, strict=True):
            if snr > 30 and mask.sum() > 30:
                assert grey[mask].mean() > np.median(grey) + scene.noise


def test_scenes_have_blends_faint_galaxies_and_several_surveys(scenes: list[SurveyScene]) -> None:
    assert {scene.survey for scene in scenes} == {survey.name for survey in SURVEYS}
    overlap, snr = np.concatenate([scene.overlap for scene in scenes]), np.concatenate([scene.snr for scene in scenes])
    assert (overlap > 0.1).mean() > 0.1
    assert (overlap < 0.02).mean() > 0.2
    assert (snr < 15).any()
    assert (snr > 100).any()


def test_the_stated_surface_brightness_is_that_of_the_survey(scenes: list[SurveyScene]) -> None:
    depths = {survey.name: survey.noise_mag for survey in SURVEYS}
    for scene in scenes:
        assert scene.surface_brightness == pytest.approx(depths[scene.survey] - 2.5 * np.log10(2.0))


def test_equal_seeds_give_equal_scenes_and_other_streams_others() -> None:
    first, repeat = SIMULATED.draw(3, side=96), SIMULATED.draw(3, side=96)
    assert (first.image == repeat.image).all()
    assert (first.masks == repeat.masks).all()
    assert not np.array_equal(first.image, SurveySceneGenerator(stream=1).draw(3, 96).image)
    assert not np.array_equal(first.image, SIMULATED.draw(4, side=96).image)


def test_scenes_with_more_companions_have_more_blends() -> None:
    few, many = (
        sum(SurveySceneGenerator(companion_share=share).draw(seed, 160).is_blended.sum() for seed in range(40))
        for share in (0.0, 1.0)
    )
    assert many > 2 * few


def test_a_scene_that_is_too_small_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least 32 pixels"):
        SIMULATED.draw(0, side=16)

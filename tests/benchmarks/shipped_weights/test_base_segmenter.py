"""Examples of the shipped segmenter, and a short training on them, without files: everything is simulated."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.heads.segmentation.lvm_window_encoder import LvmWindows
from backend.heads.segmentation.prompted_masks import PromptedMasks
from backend.heads.segmentation.training import WindowExample
from backend.heads.training import Schedule
from backend.lvm.checkpoint import SHIPPED_CHECKPOINT, fingerprint, load_encoder
from backend.scenes import SurveySceneGenerator
from benchmarks.shipped_weights import base_segmenter, base_segmenter_examples
from benchmarks.shipped_weights.base_segmenter_examples import LEAST_OVERLAP, SURVEY_OBJECTS, Mix, Windows, choose_objects

SURVEYS_ONLY = Mix(outlines=0.0, survey=1.0)


@pytest.fixture(scope="module")
def encoder() -> LvmWindows:
    return LvmWindows(load_encoder(SHIPPED_CHECKPOINT), fingerprint=fingerprint(SHIPPED_CHECKPOINT))


@pytest.fixture
def windows(encoder: LvmWindows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Windows:
    monkeypatch.setattr(base_segmenter_examples, "outlined_galaxies", lambda data, part: [])
    return Windows(tmp_path, encoder)


def test_an_example_of_a_survey_scene_is_a_blend_more_often_than_not() -> None:
    generator, rng = SurveySceneGenerator(), np.random.default_rng(0)
    scenes = [scene for seed in range(40) if (scene := generator.draw(seed, 128)).is_blended.any()]
    is_blend = [scene.is_blended[(scene.masks == choose_objects(scene, rng)[0]).all(axis=(1, 2))].any() for scene in scenes]
    assert np.mean(is_blend) > 0.5


def test_an_example_can_be_an_overlapping_object_where_there_is_one() -> None:
    generator, rng, count = SurveySceneGenerator(companion_share=1.0), np.random.default_rng(0), 0
    for seed in range(30):
        scene = generator.draw(seed, 128)
        is_overlapping = scene.is_blended & (scene.overlap >= LEAST_OVERLAP)
        if is_overlapping.any():
            first, count = choose_objects(scene, rng, overlapping=True)[0], count + 1
            assert (scene.masks[is_overlapping] == first).all(axis=(1, 2)).any()
    assert count > 3


def test_an_example_of_a_survey_scene_has_few_objects_and_each_once() -> None:
    scene = max((SurveySceneGenerator().draw(seed, 256) for seed in range(6)), key=len)
    masks = choose_objects(scene, np.random.default_rng(0))
    assert len(masks) == SURVEY_OBJECTS
    assert np.sum(masks, axis=0).max() == 1


@pytest.mark.parametrize("mix", [Mix(0.0, 0.0), SURVEYS_ONLY, Mix(0.0, 1.0, overlapping=1.0)])
def test_examples_depend_on_their_seeds_only(windows: Windows, mix: Mix) -> None:
    first, second = (next(windows.endless(3, mix)) for _ in range(2))
    assert torch.equal(first.masks, second.masks)
    assert all(torch.equal(*maps) for maps in zip(first.features, second.features, strict=True))


def test_an_interrupted_training_continues(
    windows: Windows, encoder: LvmWindows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base_segmenter, "STAGES", ((Schedule(steps=2, rate=1e-4, batch=1), SURVEYS_ONLY),))
    monkeypatch.setattr(base_segmenter, "KEPT_EVERY", 1)

    def fit(folder: Path) -> PromptedMasks:
        blank = PromptedMasks.blank(encoder.config, encoder=encoder.fingerprint)
        return base_segmenter.train(blank, windows, 0, checkpoint=folder / "training.pt")

    draw = windows.endless

    def draw_once(first_seed: int, mix: Mix) -> Iterator[WindowExample]:
        if first_seed:
            raise KeyboardInterrupt
        return draw(first_seed, mix)

    with monkeypatch.context() as patch:
        patch.setattr(windows, "endless", draw_once)
        with pytest.raises(KeyboardInterrupt):
            fit(tmp_path / "interrupted")
    assert fit(tmp_path / "interrupted").network.fingerprint() == fit(tmp_path / "complete").network.fingerprint()


def test_the_average_of_two_heads_has_the_means_of_their_weights(encoder: LvmWindows) -> None:
    first, second = (PromptedMasks.blank(encoder.config, encoder=encoder.fingerprint) for _ in range(2))
    with torch.no_grad():
        for weights in second.network.parameters():
            weights.add_(0.25)
    means = base_segmenter.average(first, second).network.state_dict()
    for name, weights in first.network.named_parameters():
        assert torch.allclose(means[name], weights + 0.125, atol=2e-3)

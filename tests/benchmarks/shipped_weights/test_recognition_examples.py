"""Examples for the recognition network, and a short training on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backend.heads.extraction.recognition.profiles import PROFILE_LENGTH
from backend.scenes import SceneGenerator, SurveySceneGenerator
from benchmarks.shipped_weights import base_recognition
from benchmarks.shipped_weights.recognition_examples import (
    GALAXY,
    STAR,
    Examples,
    examples_of_scenes,
    examples_of_surveys,
)


@pytest.fixture(scope="module")
def images() -> list[Examples]:
    surveys = examples_of_surveys(SurveySceneGenerator(), range(8), enlarged_share=0.5)
    return [*surveys, *examples_of_scenes(SceneGenerator(), range(2))]


def test_candidates_have_profiles_and_kinds(images: list[Examples]) -> None:
    kinds = np.concatenate([image.kinds for image in images])
    assert all(image.profiles.shape == (len(image.kinds), PROFILE_LENGTH) for image in images)
    assert {GALAXY, STAR} <= set(kinds.tolist())


def test_a_training_can_be_continued(images: list[Examples], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base_recognition, "CACHE", tmp_path)
    first = base_recognition.fit(images, images[:2], epochs=2).state_dict()
    second = base_recognition.fit(images, images[:2], epochs=2).state_dict()
    assert all((first[name] == second[name]).all() for name in first)

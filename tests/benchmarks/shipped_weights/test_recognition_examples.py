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
    surveys = examples_of_surveys(SurveySceneGenerator(), range(8), sides=(96, 128), enlarged_share=0.5)
    return [*surveys, *examples_of_scenes(SceneGenerator(), range(2))]


def test_candidates_have_profiles_and_kinds(images: list[Examples]) -> None:
    kinds = np.concatenate([image.kinds for image in images])
    assert all(image.profiles.shape == (len(image.kinds), PROFILE_LENGTH) for image in images)
    assert {GALAXY, STAR} <= set(kinds.tolist())


def test_a_training_can_be_continued(images: list[Examples], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base_recognition, "CACHE", tmp_path)
    first = base_recognition.fit(images, {"surveys": images[:2]}, epochs=2).state_dict()
    second = base_recognition.fit(images, {"surveys": images[:2]}, epochs=2).state_dict()
    assert all((first[name] == second[name]).all() for name in first)


def test_examples_are_made_once_and_do_not_depend_on_the_interruption(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base_recognition, "CACHE", tmp_path)
    monkeypatch.setattr(base_recognition, "SEEDS", {"deep": range(3, 7)})
    monkeypatch.setattr(base_recognition, "SIDES", {"deep": (64,)})
    monkeypatch.setattr(base_recognition, "SEEDS_A_FILE", 2)
    first = base_recognition._read_or_make(tmp_path / "no data", "deep", "train")
    files = sorted(tmp_path.glob("*.npz"))
    assert [file.stem for file in files] == ["train-deep-3", "train-deep-5"]
    files[1].unlink()
    second = base_recognition._read_or_make(tmp_path / "no data", "deep", "train")
    assert len(first) == len(second)
    assert all((before.profiles == after.profiles).all() for before, after in zip(first, second, strict=True))

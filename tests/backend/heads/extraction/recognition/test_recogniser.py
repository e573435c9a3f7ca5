"""Recognition of galaxies, stars and fragments with the shipped network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backend.heads.errors import HeadError
from backend.heads.extraction.extract import extract
from backend.heads.extraction.recognition.recogniser import SHIPPED_RECOGNITION, Recogniser, recognise
from backend.heads.extraction.source import RECOGNISED, ExtractionSettings
from backend.scenes import SurveyScene, SurveySceneGenerator


@pytest.fixture(scope="module")
def scenes() -> list[SurveyScene]:
    return [SurveySceneGenerator(stream=1).draw(seed, side=160) for seed in range(20)]


def test_most_galaxies_are_likely_galaxies_and_most_stars_are_not(scenes: list[SurveyScene]) -> None:
    galaxies, stars = [], []
    for scene in scenes:
        sources = extract(scene.image, settings=RECOGNISED).sources
        places = np.asarray([(source.ellipse.x, source.ellipse.y) for source in sources]).reshape(-1, 2)
        likely = np.asarray([source.galaxy_probability > 0.5 for source in sources], bool)
        columns, rows = places.astype(int).T
        galaxies += [
            bool(likely[mask[rows, columns]].any()) for mask, snr in zip(scene.masks, scene.snr, strict=True) if snr > 10
        ]
        for place in scene.star_places:
            near = np.hypot(*(places - place).T) < 1.5
            if near.any() and not scene.masks[:, int(min(place[1], 159)), int(min(place[0], 159))].any():
                stars.append(bool(likely[near].any()))
    assert np.mean(galaxies) > 0.8
    assert np.mean(stars) < 0.25


def test_sources_without_recognition_have_no_probability(scenes: list[SurveyScene]) -> None:
    sources = extract(scenes[0].image, settings=ExtractionSettings()).sources
    assert all(np.isnan(source.galaxy_probability) for source in sources)


def test_segments_are_numbered_as_the_probabilities(scenes: list[SurveyScene]) -> None:
    recognition = recognise(scenes[1].image, RECOGNISED)
    assert np.unique(recognition.segmentation.segments).tolist() == list(range(len(recognition.galaxy_probabilities) + 1))


@pytest.mark.parametrize("level", [0.0, 0.3, 1.0])
def test_a_blank_image_has_no_sources(level: float) -> None:
    assert extract(np.full((40, 30, 3), level, np.float32), settings=RECOGNISED).sources == ()


def test_an_image_without_colours_is_an_error() -> None:
    with pytest.raises(ValueError, match="shape"):
        extract(np.zeros((10, 10), np.float32), settings=RECOGNISED)


def test_a_saved_network_predicts_the_same(scenes: list[SurveyScene], tmp_path: Path) -> None:
    recogniser = Recogniser.load(SHIPPED_RECOGNITION)
    recogniser.save(tmp_path)
    before, after = (each.network.state_dict() for each in (recogniser, Recogniser.load(tmp_path)))
    assert all((before[name] == after[name]).all() for name in before)


def test_a_damaged_network_is_an_error(tmp_path: Path) -> None:
    Recogniser.load(SHIPPED_RECOGNITION).save(tmp_path)
    (tmp_path / "head.safetensors").write_bytes(b"nothing")
    with pytest.raises(HeadError, match="safetensors"):
        Recogniser.load(tmp_path)

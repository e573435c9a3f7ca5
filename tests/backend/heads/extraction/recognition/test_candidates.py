"""Candidates: nearly all galaxies are among them, with noise that is known below one grey level."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from backend.heads.extraction.recognition.candidates import BLACK_SKY, FINEST_NOISE, find_candidates
from backend.heads.extraction.sky import GREY_LEVEL
from backend.scenes import SurveySceneGenerator

Sky = Callable[..., NDArray[np.float32]]


def test_nearly_all_galaxies_of_survey_scenes_are_candidates() -> None:
    hits = []
    for seed in range(20):
        scene = SurveySceneGenerator().draw(seed, side=128)
        candidates = find_candidates(scene.image)
        hits += [
            bool(mask[candidates.rows, candidates.columns].any())
            for mask, snr in zip(scene.masks, scene.snr, strict=True)
            if snr > 10
        ]
    assert len(hits) > 30
    assert np.mean(hits) > 0.88


def test_the_noise_of_a_grey_sky_is_measured_below_one_grey_level(sky: Sky) -> None:
    image = (np.rint(sky((120, 120), [], noise=0.008) * 255) / 255).astype(np.float32)
    assert FINEST_NOISE <= find_candidates(image).noise < GREY_LEVEL


def test_the_noise_of_a_black_sky_is_at_least_one_grey_level() -> None:
    image = np.zeros((60, 60, 3), np.float32)
    image[20:30, 20:30] = 0.5
    assert (image == 0).mean() > BLACK_SKY
    assert find_candidates(image).noise >= GREY_LEVEL


def test_candidates_are_sorted_and_lie_in_their_segments(sky: Sky) -> None:
    image = sky((120, 120), [(30, 30, 4, 4, 0, 0.3), (80, 80, 6, 4, 0, 0.8)])
    candidates = find_candidates(image)
    peaks = candidates.brightness[candidates.rows, candidates.columns]
    assert (np.diff(peaks) <= 0).all()
    assert candidates.segments[candidates.rows, candidates.columns].tolist() == list(range(1, len(peaks) + 1))

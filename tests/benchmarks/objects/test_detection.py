"""Completeness and purity of detections in survey scenes, and bins."""

from __future__ import annotations

import numpy as np
import pytest

from backend.scenes.scene import SurveyScene
from benchmarks.objects.bins import in_bin, interval, title_of
from benchmarks.objects.detection import choose_least_score, detect_by_photutils, detection_rows, match

SIDE = 64


def scene_of(places: list[tuple[int, int]], *, snr: list[float], faint: list[tuple[float, float]]) -> SurveyScene:
    """Return a scene of square galaxies of 10 px with these top-left corners."""
    masks = np.zeros((len(places), SIDE, SIDE), bool)
    for mask, (x, y) in zip(masks, places, strict=True):
        mask[y : y + 10, x : x + 10] = True
    image = np.random.default_rng(0).normal(0.02, 0.005, (SIDE, SIDE, 3)).astype(np.float32).clip(0)
    image[masks.any(axis=0)] += np.float32(0.3)
    count = len(places)
    return SurveyScene(
        image=image,
        boxes=np.asarray([(x, y, x + 10, y + 10) for x, y in places], np.float32).reshape(-1, 4),
        masks=masks,
        kinds=("simulated",) * count,
        is_blended=np.zeros(count, bool),
        snr=np.asarray(snr),
        overlap=np.zeros(count),
        faint_places=np.asarray(faint, np.float64).reshape(-1, 2),
        star_places=np.zeros((0, 2)),
        survey="SDSS r",
        surface_brightness=23.7,
        noise=0.005,
    )


def boxes_at(*places: tuple[float, float]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return boxes of 10 px with these top-left corners."""
    return np.asarray([(x, y, x + 10, y + 10) for x, y in places], np.float64).reshape(-1, 4)


def test_detections_match_by_box_and_by_place_and_others_are_false() -> None:
    scene = scene_of([(5, 5), (40, 40)], snr=[30, 12], faint=[])
    finds = [(boxes_at((5, 5), (44, 44), (20, 50)), np.asarray([0.9, 0.8, 0.7]))]
    result = match([scene], finds, least_score=0.5)
    assert result.by_box.tolist() == [True, False]  # the overlap of the second is 36 / 164
    assert result.by_place.tolist() == [True, True]
    assert (result.false_by_box.tolist(), result.false_by_place.tolist()) == ([2], [1])
    assert match([scene], finds, least_score=0.85).false_by_place == 0


def test_a_galaxy_is_detected_once_and_the_second_detection_is_false() -> None:
    scene = scene_of([(5, 5)], snr=[30], faint=[])
    result = match([scene], [(boxes_at((5, 5), (6, 6)), np.asarray([0.9, 0.8]))], least_score=0)
    assert result.by_box.tolist() == [True]
    assert result.false_by_box == result.false_by_place == 1


def test_a_detection_of_a_faint_galaxy_is_not_false() -> None:
    scene = scene_of([(5, 5)], snr=[30], faint=[(45.0, 45.0)])
    result = match([scene], [(boxes_at((40, 40), (20, 50)), np.asarray([0.9, 0.8]))], least_score=0)
    assert not result.by_place.any()
    assert result.false_by_place == 1


def test_rows_count_galaxies_above_the_limit_only() -> None:
    scene = scene_of([(5, 5), (40, 40)], snr=[30, 6], faint=[])
    rows = detection_rows("x", match([scene], [(boxes_at((5, 5)), np.asarray([1.0]))], least_score=0))
    assert [cell.split(" (")[0] for cell in rows[0][3:]] == ["1.000", "1.000", "0.000", "1.000", "1.000", "0.000"]
    assert rows[0][:3] == ["x", "S/N above 10", "1"]
    assert rows[1][1:4] == ["S/N 5 to 10", "1", "0.000"]


def test_nothing_detected_is_complete_failure_not_an_error() -> None:
    scene = scene_of([(5, 5)], snr=[30], faint=[])
    rows = detection_rows("x", match([scene], [(np.zeros((0, 4)), np.zeros(0))], least_score=0))
    assert rows[0][3:6] == ["0.000 (0.000 to 0.000)", "0.000 (0.000 to 0.000)", "1.000 (1.000 to 1.000)"]


def test_the_threshold_keeps_galaxies_and_excludes_false_detections() -> None:
    scene = scene_of([(5, 5), (40, 40)], snr=[30, 12], faint=[])
    finds = [(boxes_at((5, 5), (40, 40), (20, 50), (50, 20)), np.asarray([0.9, 0.8, 0.5, 0.3]))]
    assert 0.5 < choose_least_score([scene], finds) <= 0.8
    assert choose_least_score([scene], [(np.zeros((0, 4)), np.zeros(0))]) == 0


def test_photutils_detects_separate_galaxies() -> None:
    scene = scene_of([(5, 5), (40, 40)], snr=[30, 30], faint=[])
    result = match([scene], detect_by_photutils([scene]), least_score=0)
    assert result.by_place.all()
    assert result.false_by_place == 0


def test_bins_and_intervals() -> None:
    assert in_bin(np.asarray([5.0, 9.9, 10.0]), (5.0, 10.0)).tolist() == [True, True, False]
    assert title_of((50.0, np.inf)) == "above 50"
    mean, low, high = interval([0.0, 1.0, 1.0, 0.0], [0, 0, 1, 1])
    assert mean == pytest.approx(0.5)
    assert low == high == pytest.approx(0.5)  # both images have the same mean
    assert np.isnan(interval([], [])[0])

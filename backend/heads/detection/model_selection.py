"""Selection of the detector of a project, by two-fold cross-validation on its annotations.

The images are divided into two halves. Detectors that were trained on one half are compared on the other, by the F1 of the
boxes and labels of each image. The score threshold of the learned detector is not chosen on the images it is compared on, if
both halves were predicted. Training takes seconds: if the learned detector is clearly worse on the first half, it is not
trained for the other half, and if source extraction is nearly perfect, the learned detector is compared without fine-tuning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.heads.detection.box_scores import ScoreCalibration, weigh_by_image
from backend.heads.detection.fcos.detector import LearnedDetector
from backend.heads.detection.fcos.network import Found
from backend.heads.detection.grid_search import MATCH_AT, Grid
from backend.heads.detection.metrics import clearly_better, f1
from backend.heads.detection.source_detector import SourceDetector
from backend.heads.extraction.reuse import sources_of
from backend.lvm.feature_maps import FeaturePyramid
from sync.geometry.corners import box_edges
from sync.geometry.overlap import box_overlaps
from sync.geometry.shapes import Box

__all__ = ["Drawn", "ModelSelection", "cross_validate_detectors", "least_score"]

Drawn = Sequence[tuple[Box, str]]
"""The annotated boxes of one image, with their labels."""
NEXT_TO_ALL = 0.95
"""F1 of source extraction above which fine-tuning is not tried."""
ENOUGH_JUDGED = 4
"""Smallest number of images with which the comparison can end after the first half."""
LEAST_SCORES = tuple(np.arange(0.1, 0.9, 0.05).round(2).tolist())


@dataclass(frozen=True, slots=True, eq=False)
class ModelSelection:
    """The result of a comparison of both detectors.

    Attributes
    ----------
    learned, extraction : ndarray, shape (n,)
        F1 of each compared image, by detectors that were not trained on it.
    least_score : float
        Score threshold of the learned detector, chosen on all compared images.
    calibration : ScoreCalibration
        Calibration of the scores of the learned detector above the threshold.
    """

    learned: NDArray[np.float64]
    extraction: NDArray[np.float64]
    least_score: float
    calibration: ScoreCalibration


def cross_validate_detectors(
    images: Sequence[NDArray[np.float32]],
    boxes: Sequence[Drawn],
    feature_pyramids: Sequence[FeaturePyramid],
    *,
    grids: Sequence[Grid],
    detector: LearnedDetector,
    seed: int,
) -> ModelSelection | None:
    """Compare a fine-tuned detector with source extraction; return None if one half of the images has no box.

    Parameters
    ----------
    images : sequence of ndarray, shape (height, width, 3)
    boxes : for each image, a sequence of (box, label)
        Boxes in pixels of the image.
    feature_pyramids : sequence of FeaturePyramid
        Feature maps of the images.
    grids : sequence of Grid
        Results of `score_grid` for the images.
    detector : LearnedDetector
        The detector from which fine-tuning starts.
    seed : int
        Random seed of the trainings.
    """
    halves = _halves([len(drawn) for drawn in boxes])
    if not all(any(boxes[i] for i in half) for half in halves):
        return None
    rounds = (halves, halves[::-1])
    extraction = np.zeros(len(images))
    for judged, learned_from in rounds:
        extraction[judged] = _score_extraction(images, boxes, grids, judged, learned_from, classes=detector.classes, seed=seed)
    founds: dict[int, Found] = {}
    saturated = not detector.preferred and extraction.mean() >= NEXT_TO_ALL
    for judged, learned_from in rounds:
        tuned = detector
        if not saturated:
            tuned = detector.fit([feature_pyramids[i] for i in learned_from], [boxes[i] for i in learned_from], seed=seed)
        founds |= {i: tuned.predict(feature_pyramids[i]) for i in judged}
        if not detector.preferred and _extraction_wins(founds, boxes, extraction, classes=detector.classes):
            break
    learned = np.full(len(images), np.nan)
    for judged, learned_from in rounds:
        known = [i for i in learned_from if i in founds] or list(founds)
        least = least_score([founds[i] for i in known], [boxes[i] for i in known], classes=detector.classes)
        for i in founds.keys() & set(judged):
            learned[i] = _found_f1(founds[i], boxes[i], least, detector.classes)
    seen = sorted(founds)
    ordered, drawn = [founds[i] for i in seen], [boxes[i] for i in seen]
    least = least_score(ordered, drawn, classes=detector.classes)
    calibration = _calibrate(ordered, drawn, least, detector.classes)
    return ModelSelection(learned[seen], extraction[seen], least, calibration)


def _score_extraction(
    images: Sequence[NDArray[np.float32]],
    boxes: Sequence[Drawn],
    grids: Sequence[Grid],
    judged: Sequence[int],
    learned_from: Sequence[int],
    *,
    classes: Sequence[str],
    seed: int,
) -> list[float]:
    """Return the F1 of source extraction on the images `judged`, with a head fitted to `learned_from`."""
    head = SourceDetector.fit(
        [images[i] for i in learned_from],
        [boxes[i] for i in learned_from],
        classes=classes,
        grids=[grids[i] for i in learned_from],
        seed=seed,
    )
    scores = []
    for i in judged:
        size = (images[i].shape[1], images[i].shape[0])
        found = head.select(sources_of(images[i], head.settings), size=size)
        scores.append(_f1(box_edges([one.source.box for one in found]), [one.label for one in found], boxes[i]))
    return scores


def _extraction_wins(
    founds: Mapping[int, Found], boxes: Sequence[Drawn], extraction: NDArray[np.float64], *, classes: Sequence[str]
) -> bool:
    """Return whether source extraction is clearly better than the learned detector with its best threshold, on `founds`."""
    judged = sorted(founds)
    if len(judged) < ENOUGH_JUDGED:
        return False
    drawn = [boxes[i] for i in judged]
    best = least_score([founds[i] for i in judged], drawn, classes=classes)
    learned = np.asarray([_found_f1(founds[i], boxes[i], best, classes) for i in judged])
    return clearly_better(extraction[judged], learned)


def _calibrate(founds: Sequence[Found], boxes: Sequence[Drawn], least: float, classes: Sequence[str]) -> ScoreCalibration:
    """Fit a calibration to the scores of the objects above the threshold."""
    scores: list[NDArray[np.float64]] = [np.empty(0)]
    kept: list[NDArray[np.bool_]] = [np.empty(0, bool)]
    counts = []
    for found, drawn in zip(founds, boxes, strict=True):
        shown = found.scores >= least
        alike = _alike([classes[i] for i in found.labels[shown].tolist()], drawn)
        overlaps = box_overlaps(box_edges([box for box, _ in drawn]), found.boxes[shown].double().numpy().reshape(-1, 4))
        scores.append(found.scores[shown].double().numpy())
        kept.append(np.any((overlaps >= MATCH_AT) & alike.reshape(overlaps.shape), axis=0))
        counts.append(int(shown.sum()))
    return ScoreCalibration.fit(np.concatenate(scores), np.concatenate(kept), weigh_by_image(counts))


def least_score(founds: Sequence[Found], boxes: Sequence[Drawn], *, classes: Sequence[str]) -> float:
    """Return the score threshold with the best mean F1; the middle one of several equally good thresholds."""
    means = [
        np.mean([_found_f1(found, drawn, least, classes) for found, drawn in zip(founds, boxes, strict=True)])
        for least in LEAST_SCORES
    ]
    best = np.flatnonzero(np.asarray(means) >= max(means) - 1e-9)
    return float(LEAST_SCORES[best[len(best) // 2]])


def _halves(counts: Sequence[int]) -> tuple[list[int], list[int]]:
    """Divide images into two halves with similar numbers of boxes."""
    order = sorted(range(len(counts)), key=lambda i: -counts[i])
    return sorted(order[0::4] + order[3::4]), sorted(order[1::4] + order[2::4])


def _found_f1(found: Found, drawn: Drawn, least: float, classes: Sequence[str]) -> float:
    kept = found.scores >= least
    return _f1(found.boxes[kept].double().numpy(), [classes[i] for i in found.labels[kept].tolist()], drawn)


def _f1(edges: NDArray[np.float64], labels: Sequence[str], drawn: Drawn) -> float:
    alike = _alike(labels, drawn)
    overlaps = box_overlaps(box_edges([box for box, _ in drawn]), edges.reshape(-1, 4))
    return f1((overlaps >= MATCH_AT) & alike.reshape(overlaps.shape))


def _alike(labels: Sequence[str], drawn: Drawn) -> NDArray[np.bool_]:
    """Return whether the labels of drawn and predicted objects are equal, shape (drawn, predicted) if there are both."""
    return np.asarray([[label == wanted for label in labels] for _, wanted in drawn], dtype=bool)

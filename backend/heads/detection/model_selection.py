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
from backend.heads.detection.fcos.network import RawDetections
from backend.heads.detection.grid_search import MATCH_AT, Grid
from backend.heads.detection.metrics import clearly_better, f1
from backend.heads.detection.source_detector import SourceDetector
from backend.heads.extraction.reuse import sources_of
from backend.lvm.feature_maps import FeaturePyramid
from sync.geometry.corners import box_edges
from sync.geometry.overlap import box_overlaps
from sync.geometry.shapes import Box

__all__ = ["Drawn", "ModelSelection", "cross_validate_detectors", "detections_f1", "least_score"]

Drawn = Sequence[tuple[Box, str]]
"""The annotated boxes of one image, with their labels."""
NEXT_TO_ALL = 0.95
"""F1 of source extraction above which fine-tuning is not tried."""
ENOUGH_COMPARED = 4
"""Smallest number of images with which the comparison can end after the first half."""
LEAST_SCORES = tuple(np.arange(0.1, 0.9, 0.05).round(2).tolist())


@dataclass(frozen=True, slots=True, eq=False)
class ModelSelection:
    """The result of a comparison of both detectors.

    Attributes
    ----------
    learned_f1, extraction_f1 : ndarray, shape (n,)
        F1 of each compared image, by detectors that were not trained on it.
    least_score : float
        Score threshold of the learned detector, chosen on all compared images.
    calibration : ScoreCalibration
        Calibration of the scores of the learned detector above the threshold.
    """

    learned_f1: NDArray[np.float64]
    extraction_f1: NDArray[np.float64]
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
    halves = _halves([len(drawn_boxes) for drawn_boxes in boxes])
    if not all(any(boxes[i] for i in half) for half in halves):
        return None
    rounds = (halves, halves[::-1])
    extraction = np.zeros(len(images))
    for validation, training in rounds:
        extraction[validation] = _score_extraction(
            images, boxes, grids, validation, training, classes=detector.classes, seed=seed
        )
    detections: dict[int, RawDetections] = {}
    is_saturated = not detector.preferred and extraction.mean() >= NEXT_TO_ALL
    for validation, training in rounds:
        tuned_detector = detector
        if not is_saturated:
            tuned_detector = detector.fit([feature_pyramids[i] for i in training], [boxes[i] for i in training], seed=seed)
        detections |= {i: tuned_detector.predict(feature_pyramids[i]) for i in validation}
        if not detector.preferred and _extraction_wins(detections, boxes, extraction, classes=detector.classes):
            break
    learned_f1 = np.full(len(images), np.nan)
    for validation, training in rounds:
        indices = [i for i in training if i in detections] or list(detections)
        least = least_score([detections[i] for i in indices], [boxes[i] for i in indices], classes=detector.classes)
        for i in detections.keys() & set(validation):
            learned_f1[i] = detections_f1(detections[i], boxes[i], least, detector.classes)
    places = sorted(detections)
    ordered_detections, drawn_boxes = [detections[i] for i in places], [boxes[i] for i in places]
    least = least_score(ordered_detections, drawn_boxes, classes=detector.classes)
    calibration = _calibrate(ordered_detections, drawn_boxes, least, detector.classes)
    return ModelSelection(learned_f1[places], extraction[places], least, calibration)


def _score_extraction(
    images: Sequence[NDArray[np.float32]],
    boxes: Sequence[Drawn],
    grids: Sequence[Grid],
    validation: Sequence[int],
    training: Sequence[int],
    *,
    classes: Sequence[str],
    seed: int,
) -> list[float]:
    """Return the F1 of source extraction on the images `validation`, with a head fitted to `training`."""
    head = SourceDetector.fit(
        [images[i] for i in training],
        [boxes[i] for i in training],
        classes=classes,
        grids=[grids[i] for i in training],
        seed=seed,
    )
    scores = []
    for i in validation:
        size = (images[i].shape[1], images[i].shape[0])
        objects = head.select(sources_of(images[i], head.settings), size=size)
        scores.append(_f1(box_edges([each.source.box for each in objects]), [each.label for each in objects], boxes[i]))
    return scores


def _extraction_wins(
    detections: Mapping[int, RawDetections], boxes: Sequence[Drawn], extraction: NDArray[np.float64], *, classes: Sequence[str]
) -> bool:
    """Return whether source extraction is clearly better than the learned detector with its best threshold, on `detections`."""
    places = sorted(detections)
    if len(places) < ENOUGH_COMPARED:
        return False
    drawn_boxes = [boxes[i] for i in places]
    best = least_score([detections[i] for i in places], drawn_boxes, classes=classes)
    learned_f1 = np.asarray([detections_f1(detections[i], boxes[i], best, classes) for i in places])
    return clearly_better(extraction[places], learned_f1)


def _calibrate(
    detections: Sequence[RawDetections], boxes: Sequence[Drawn], least: float, classes: Sequence[str]
) -> ScoreCalibration:
    """Fit a calibration to the scores of the objects above the threshold."""
    scores: list[NDArray[np.float64]] = [np.empty(0)]
    match_flags: list[NDArray[np.bool_]] = [np.empty(0, bool)]
    counts = []
    for of_image, drawn_boxes in zip(detections, boxes, strict=True):
        above = of_image.scores >= least
        same_label = _labels_match([classes[i] for i in of_image.labels[above].tolist()], drawn_boxes)
        overlaps = box_overlaps(
            box_edges([box for box, _ in drawn_boxes]), of_image.boxes[above].double().numpy().reshape(-1, 4)
        )
        scores.append(of_image.scores[above].double().numpy())
        match_flags.append(np.any((overlaps >= MATCH_AT) & same_label.reshape(overlaps.shape), axis=0))
        counts.append(int(above.sum()))
    return ScoreCalibration.fit(np.concatenate(scores), np.concatenate(match_flags), weigh_by_image(counts))


def least_score(detections: Sequence[RawDetections], boxes: Sequence[Drawn], *, classes: Sequence[str]) -> float:
    """Return the score threshold with the best mean F1; the middle one of several equally good thresholds."""
    means = [
        np.mean(
            [
                detections_f1(of_image, drawn_boxes, least, classes)
                for of_image, drawn_boxes in zip(detections, boxes, strict=True)
            ]
        )
        for least in LEAST_SCORES
    ]
    best = np.flatnonzero(np.asarray(means) >= max(means) - 1e-9)
    return float(LEAST_SCORES[best[len(best) // 2]])


def _halves(counts: Sequence[int]) -> tuple[list[int], list[int]]:
    """Divide images into two halves with similar numbers of boxes."""
    order = sorted(range(len(counts)), key=lambda i: -counts[i])
    return sorted(order[0::4] + order[3::4]), sorted(order[1::4] + order[2::4])


def detections_f1(detections: RawDetections, drawn_boxes: Drawn, least: float, classes: Sequence[str]) -> float:
    """Return the F1 of the detections of one image with a score of at least `least`."""
    above = detections.scores >= least
    return _f1(detections.boxes[above].double().numpy(), [classes[i] for i in detections.labels[above].tolist()], drawn_boxes)


def _f1(edges: NDArray[np.float64], labels: Sequence[str], drawn_boxes: Drawn) -> float:
    same_label = _labels_match(labels, drawn_boxes)
    overlaps = box_overlaps(box_edges([box for box, _ in drawn_boxes]), edges.reshape(-1, 4))
    return f1((overlaps >= MATCH_AT) & same_label.reshape(overlaps.shape))


def _labels_match(labels: Sequence[str], drawn_boxes: Drawn) -> NDArray[np.bool_]:
    """Return whether the labels of drawn and predicted objects are equal, shape (drawn, predicted) if there are both."""
    return np.asarray([[label == drawn_label for label in labels] for _, drawn_label in drawn_boxes], dtype=bool)

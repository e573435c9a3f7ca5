"""Scores of detected objects: average precision at an IoU of 0.5, F1, and the mean IoU of masks.

References
----------
Lin et al. (2014), ECCV, arXiv:1405.0312 (COCO): matching of detections, and the precision at 101 values of recall.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from backend.reports.resampling import Score

__all__ = ["MATCHED_ABOVE", "ImageMatches", "average_precision", "f1", "mask_iou", "match_detections"]

Floats = NDArray[np.float64]

MATCHED_ABOVE = 0.5
"""Intersection over union from which a detection matches a drawn object."""
RECALLS = np.linspace(0, 1, 101)


@dataclass(frozen=True, slots=True, eq=False)
class ImageMatches:
    """The detections and drawn objects of one image.

    Attributes
    ----------
    labels : tuple of str, length m
        Label of each detection.
    scores : ndarray, shape (m,)
        Its score.
    matches : ndarray of int, shape (m,)
        Index of the drawn object that it matches; -1 for a false detection.
    drawn_labels : tuple of str
        Label of each drawn object.
    overlaps : tuple of float
        IoU of the masks of matched pairs that both have one.
    boxes : ndarray, shape (m, 4)
        Box of each detection: left, top, right and bottom edge, pixels.
    """

    labels: tuple[str, ...]
    scores: Floats
    matches: NDArray[np.intp]
    drawn_labels: tuple[str, ...]
    overlaps: tuple[float, ...] = field(default=())
    boxes: Floats = field(default_factory=lambda: np.zeros((0, 4)))


def match_detections(overlaps: Floats, scores: Floats, labels: Sequence[str], object_labels: Sequence[str]) -> NDArray[np.intp]:
    """Match the detections of one image to drawn objects with the same label, as COCO does.

    In the order of falling scores, each detection takes the free object with the largest IoU, if that is at least
    `MATCHED_ABOVE`.

    Parameters
    ----------
    overlaps : ndarray, shape (m, d)
        IoU of each detection with each drawn object.
    scores : ndarray, shape (m,)
    labels, object_labels : sequence of str, lengths m and d

    Returns
    -------
    ndarray of int, shape (m,)
        Index of the object; -1 for a false detection.
    """
    matches = np.full(len(labels), -1, np.intp)
    if not labels or not object_labels:
        return matches
    free = np.array(labels)[:, None] == np.array(object_labels)
    for place in np.argsort(-scores, kind="stable"):
        candidates = np.where(free[place], overlaps[place], -1.0)
        best_row = int(candidates.argmax())
        if candidates[best_row] >= MATCHED_ABOVE:
            matches[place] = best_row
            free[:, best_row] = False
    return matches


def average_precision(images: Sequence[ImageMatches], *, label: str | None = None) -> Score:
    """Return the score that computes the average precision of a label, or its mean over the labels that are drawn on an image.

    Parameters
    ----------
    images : sequence of ImageMatches, length n
    label : str, optional
    """
    names = sorted({name for image in images for name in image.drawn_labels}) if label is None else [label]
    parts = [_precision_of(images, name) for name in names]

    def compute(weights: Floats) -> Floats:
        values = [part(weights) for part in parts]
        return np.asarray(np.mean(values, axis=0) if values else np.full(len(weights), np.nan), np.float64)

    return compute


def f1(images: Sequence[ImageMatches], *, label: str | None = None) -> Score:
    """Return the score that computes F1 over the objects of all images, for one label or for all; undefined without objects.

    Parameters
    ----------
    images : sequence of ImageMatches, length n
    label : str, optional
    """
    counts = np.array([_counts(image, label) for image in images], np.float64).reshape(len(images), 2)

    def compute(weights: Floats) -> Floats:
        hits, total = (weights @ counts).T
        score = np.divide(2 * hits, total, out=np.full(len(weights), np.nan), where=total > 0)
        return np.asarray(score, np.float64)

    return compute


def mask_iou(images: Sequence[ImageMatches]) -> Score:
    """Return the score that computes the mean IoU of the masks of matched objects; undefined without any.

    Parameters
    ----------
    images : sequence of ImageMatches, length n
    """
    sums = np.array([(sum(image.overlaps), len(image.overlaps)) for image in images], np.float64).reshape(len(images), 2)

    def compute(weights: Floats) -> Floats:
        total, count = (weights @ sums).T
        score = np.divide(total, count, out=np.full(len(weights), np.nan), where=count > 0)
        return np.asarray(score, np.float64)

    return compute


def _counts(image: ImageMatches, label: str | None) -> tuple[int, int]:
    """Return the number of hits, and of detections and drawn objects together."""
    hits = sum(match >= 0 and label in (None, name) for match, name in zip(image.matches, image.labels, strict=True))
    return hits, sum(label in (None, name) for name in (*image.labels, *image.drawn_labels))


def _precision_of(images: Sequence[ImageMatches], label: str) -> Score:
    rows = [
        (float(score), place, match >= 0)
        for place, image in enumerate(images)
        for name, score, match in zip(image.labels, image.scores, image.matches, strict=True)
        if name == label
    ]
    rows.sort(key=lambda row: -row[0])
    owners = np.array([place for _, place, _ in rows], np.intp)
    hits = np.array([hit for _, _, hit in rows], np.float64)
    object_counts = np.array([image.drawn_labels.count(label) for image in images], np.float64)

    def compute(weights: Floats) -> Floats:
        objects = weights @ object_counts
        if not len(owners):
            return np.where(objects > 0, 0.0, np.nan)
        hit_weights = weights[:, owners]
        match_sums, detection_sums = np.cumsum(hit_weights * hits, axis=1), np.cumsum(hit_weights, axis=1)
        precision = np.divide(match_sums, detection_sums, out=np.zeros_like(match_sums), where=detection_sums > 0)
        precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        recall = np.divide(match_sums, objects[:, None], out=np.zeros_like(match_sums), where=objects[:, None] > 0)
        values = np.array([_mean_precision(*row) for row in zip(recall, precision, strict=True)])
        return np.where(objects > 0, values, np.nan)

    return compute


def _mean_precision(recall: Floats, precision: Floats) -> float:
    places = np.searchsorted(recall, RECALLS, side="left")
    return float(np.append(precision, 0.0)[places].mean())

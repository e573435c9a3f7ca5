"""Which detector a project's own annotations speak for: both are judged on images that they did not learn from.

The images are dealt into two halves; each is judged by detectors that learned from the other one, each image by the F1 of its
boxes and labels. So that the learned detector is not flattered, its least score too is taken from the other half.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.heads.detection_fit import MATCH_AT, Grid
from backend.heads.detector.learned import LearnedDetector
from backend.heads.detector.network import Found
from backend.heads.matching import box_overlaps, corners, f1
from backend.heads.source_detector import SourceDetector
from backend.heads.sources import extract
from backend.lvm.pyramids import PicturePyramid
from sync.controls.shapes import Box

__all__ = ["Contest", "Drawn", "hold_contest", "least_score"]

Drawn = Sequence[tuple[Box, str]]
"""The objects that a person boxed in one image."""
LEAST_SCORES = tuple(np.arange(0.1, 0.9, 0.05).round(2).tolist())


@dataclass(frozen=True, slots=True, eq=False)
class Contest:
    """What came of it.

    Attributes
    ----------
    learned, extraction : ndarray, shape (n,)
        F1 of each image, judged by detectors that have not seen it.
    least_score : float
        From which on the learned detector's objects count, by all images.
    """

    learned: NDArray[np.float64]
    extraction: NDArray[np.float64]
    least_score: float


def hold_contest(
    images: Sequence[NDArray[np.float32]],
    boxes: Sequence[Drawn],
    looks: Sequence[PicturePyramid],
    *,
    grids: Sequence[Grid],
    detector: LearnedDetector,
    seed: int,
) -> Contest | None:
    """Let a learned detector, fine-tuned, and source extraction compete; None where only one half of the images has a box."""
    halves = _halves([len(drawn) for drawn in boxes])
    if not all(any(boxes[i] for i in half) for half in halves):
        return None
    founds: dict[int, Found] = {}
    extraction = np.zeros(len(images))
    for judged, learned_from in (halves, halves[::-1]):
        tuned = detector.fit([looks[i] for i in learned_from], [boxes[i] for i in learned_from], seed=seed)
        founds |= {i: tuned.predict(looks[i]) for i in judged}
        rival = SourceDetector.fit(
            [images[i] for i in learned_from],
            [boxes[i] for i in learned_from],
            classes=detector.classes,
            grids=[grids[i] for i in learned_from],
            seed=seed,
        )
        for i in judged:
            found = rival.select(
                extract(images[i], settings=rival.settings).sources, size=(images[i].shape[1], images[i].shape[0])
            )
            extraction[i] = _f1(corners([one.source.box for one in found]), [one.label for one in found], boxes[i])
    learned = np.zeros(len(images))
    for judged, learned_from in (halves, halves[::-1]):
        least = least_score([founds[i] for i in learned_from], [boxes[i] for i in learned_from], classes=detector.classes)
        for i in judged:
            learned[i] = _found_f1(founds[i], boxes[i], least, detector.classes)
    ordered = [founds[i] for i in range(len(images))]
    return Contest(learned, extraction, least_score(ordered, boxes, classes=detector.classes))


def least_score(founds: Sequence[Found], boxes: Sequence[Drawn], *, classes: Sequence[str]) -> float:
    """The score from which on objects must count for the best mean F1; in the middle of several that are as good."""
    means = [
        np.mean([_found_f1(found, drawn, least, classes) for found, drawn in zip(founds, boxes, strict=True)])
        for least in LEAST_SCORES
    ]
    best = np.flatnonzero(np.asarray(means) >= max(means) - 1e-9)
    return float(LEAST_SCORES[best[len(best) // 2]])


def _halves(counts: Sequence[int]) -> tuple[list[int], list[int]]:
    """Deal images to two halves, those with most boxes first, so that both have as much to learn from."""
    order = sorted(range(len(counts)), key=lambda i: -counts[i])
    return sorted(order[0::4] + order[3::4]), sorted(order[1::4] + order[2::4])


def _found_f1(found: Found, drawn: Drawn, least: float, classes: Sequence[str]) -> float:
    kept = found.scores >= least
    return _f1(found.boxes[kept].double().numpy(), [classes[i] for i in found.labels[kept].tolist()], drawn)


def _f1(edges: NDArray[np.float64], labels: Sequence[str], drawn: Drawn) -> float:
    alike = np.asarray([[label == wanted for label in labels] for _, wanted in drawn], dtype=bool)
    overlaps = box_overlaps(corners([box for box, _ in drawn]), edges.reshape(-1, 4))
    return f1((overlaps >= MATCH_AT) & alike.reshape(overlaps.shape))

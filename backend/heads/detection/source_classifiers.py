"""Classifiers of extracted sources, fitted to the sources that annotators kept, deleted and labelled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray

from backend.heads.classification.morphology import Morphology
from backend.heads.detection.box_scores import UNCALIBRATED, ScoreCalibration, weigh_by_image
from backend.heads.detection.grid_search import MatchedSources
from backend.heads.errors import NotEnoughLabels
from backend.heads.extraction.source import Source
from backend.lvm.standardisation import deviations_of

__all__ = [
    "DECISIONS",
    "calibrate_scores",
    "fit_keep_classifier",
    "fit_label_classifier",
    "log_probabilities",
    "raw_scores",
    "stack_features",
]

HALF_SCORE_SNR = 20.0
DECISIONS = ("delete", "keep")
"""Classes of the classifier of kept sources."""
ENOUGH_DELETED = 5
"""Smallest number of deleted sources with which a classifier is fitted: on the demo's tiles, a classifier of four deleted stars
removed 11 of 50 galaxies."""
IN_IMAGES = 3
"""Smallest number of images with deleted sources, because the deletions in one image are one decision of an annotator."""

KEEP_CAUTION = 0.5
"""Caution of the classifier of kept sources: below 1, because the signal-to-noise ratio is a weaker offset than the shipped
head of classes. F1 on held-out scenes after 5, 10 and 20 images is 0.746, 0.778 and 0.799 (means of four draws); with a caution
of 1 it is 0.721, 0.766 and 0.783."""


def raw_scores(sources: Sequence[Source]) -> NDArray[np.float32]:
    """Return the score of each source in an untrained head, shape (n,).

    It is the probability that the source is a galaxy; without recognition, it follows from the signal-to-noise ratio.
    """
    snr = np.asarray([source.snr for source in sources], dtype=np.float32)
    probabilities = np.asarray([source.galaxy_probability for source in sources], dtype=np.float32)
    return np.where(np.isnan(probabilities), snr / (snr + np.float32(HALF_SCORE_SNR)), probabilities)


def log_probabilities(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the log-probabilities of `DECISIONS`, shape (n, 2)."""
    keep = scores.astype(np.float64).clip(1e-4, 1 - 1e-4)
    return cast(NDArray[np.float64], np.log(np.stack([1 - keep, keep], axis=1)))


def stack_features(sources: Sequence[Source]) -> NDArray[np.float32]:
    """Return the catalogue features of sources, shape (n, f)."""
    return np.stack([source.features for source in sources])


def calibrate_scores(sources: Sequence[Source], examples: Sequence[MatchedSources]) -> ScoreCalibration:
    """Fit the calibration of the scores from the signal-to-noise ratio."""
    if not sources:
        return UNCALIBRATED
    weights = weigh_by_image([len(example.sources) for example in examples])
    return ScoreCalibration.fit(raw_scores(sources), _match_flags(examples), weights)


def fit_keep_classifier(
    sources: Sequence[Source], examples: Sequence[MatchedSources], calibration: ScoreCalibration, seed: int
) -> Morphology | None:
    """Fit a classifier of kept sources, if enough sources were deleted."""
    deletions = [int((example.matches < 0).sum()) for example in examples]
    if sum(deletions) < ENOUGH_DELETED or np.count_nonzero(deletions) < IN_IMAGES:
        return None
    match_flags = _match_flags(examples)
    offset = log_probabilities(calibration.apply(raw_scores(sources)))
    return _fit_classifier(sources, np.stack([~match_flags, match_flags], axis=1), DECISIONS, seed, offset=offset)


def _match_flags(examples: Sequence[MatchedSources]) -> NDArray[np.bool_]:
    flags: NDArray[np.bool_] = np.concatenate([example.matches >= 0 for example in examples])
    return flags


def fit_label_classifier(examples: Sequence[MatchedSources], classes: Sequence[str], seed: int) -> Morphology | None:
    """Fit a classifier of the labels of kept sources, if there are several labels."""
    pairs = [
        (source, example.labels[match])
        for example in examples
        for source, match in zip(example.sources, example.matches, strict=True)
        if match >= 0
    ]
    targets = np.asarray([[label == name for name in classes] for _, label in pairs])
    return _fit_classifier([source for source, _ in pairs], targets, classes, seed)


def _fit_classifier(
    sources: Sequence[Source],
    targets: NDArray[np.bool_],
    classes: Sequence[str],
    seed: int,
    *,
    offset: NDArray[np.float64] | None = None,
) -> Morphology | None:
    if not sources:
        return None
    features, shares = stack_features(sources), targets.astype(np.float32)
    caution = 1.0 if offset is None else KEEP_CAUTION
    try:
        return Morphology.fit(
            features,
            shares,
            classes=classes,
            exclusive=True,
            offset=offset,
            caution=caution,
            seed=seed,
            scales=deviations_of(features),
        )
    except NotEnoughLabels:
        return None

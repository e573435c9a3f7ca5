"""The decision of the gate on one control, with its evidence: comparisons, calibration, and how objects were found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.heads.classification.combined import CombinedClasses
from backend.heads.detection.detection import Detection
from backend.heads.regression import Regression
from backend.loop.gate.candidates import CandidateScores
from backend.loop.gate.decision import Decision, EncoderSwitch, HeadOrigin, ObjectCounts, decide
from backend.loop.gate.evidence import (
    NAMES,
    as_evidence,
    describe_inputs,
    describe_method,
    measure_calibration,
    measure_numbers,
)
from backend.loop.gate.head_scorer import ComparedHead
from backend.loop.scores.comparison import Comparison, ComparisonResult, compare
from backend.prediction.control_models import model_class
from backend.prediction.control_models.examples import Examples
from sync.labelling.config import Control

__all__ = ["CANDIDATE", "LIVE", "SHIPPED", "decide_control"]

CANDIDATE, LIVE, SHIPPED = range(3)
"""Places of the compared heads in sequences of heads and of scores."""


def decide_control(
    control: Control,
    candidate_scores: CandidateScores | None,
    compared_heads: Sequence[ComparedHead],
    truth: Examples,
    new: tuple[str, ...],
    switch: EncoderSwitch,
) -> tuple[Decision, dict[str, Any]]:
    """Decide which head goes live for one control.

    Parameters
    ----------
    control : Control
    candidate_scores : CandidateScores or None
        Scores of the candidate's, the live and the shipped head; None if there is no image to score them on.
    compared_heads : sequence of ComparedHead
        The candidate's and the live version's head.
    truth : Examples
        Annotated labels of the control.
    new : tuple of str
        Labels that only the candidate predicts.
    switch : EncoderSwitch
        Whether the candidate's head stands on another encoder than the live one, and why.

    Returns
    -------
    tuple
        The decision and its evidence, as the version's record stores it.
    """
    objects = None
    if candidate_scores is None:
        agreements: list[NDArray[np.float64]] = [np.zeros((1, 0))] * 3
        no_comparison = compare([], [])
        comparisons = no_comparison, no_comparison, no_comparison
    else:
        agreements = [candidate_scores.agreement(index) for index in range(3)]
        comparisons = _compare_pairs(agreements, candidate_scores)
        if model_class(control).finds_objects:
            objects = _count_objects(candidate_scores, truth)
    if compared_heads[CANDIDATE].head is None:
        # The candidate has no head for this control: only whether the live head is worse than the shipped one matters.
        live_is_worse = comparisons[2].answer is ComparisonResult.WORSE
        decision = Decision(HeadOrigin.SHIPPED if live_is_worse else HeadOrigin.LIVE, "has too few labels")
    else:
        decision = decide(
            *comparisons,
            new_labels=new,
            objects=objects,
            has_more_labels=_has_more_labels(compared_heads),
            switch=switch,
        )
    evidence: dict[str, Any] = as_evidence(decision, comparisons, agreements)
    if new:
        evidence["new_labels"] = list(new)
    if candidate_scores is not None:
        evidence["by"] = describe_method(candidate_scores.is_resampled)
        if candidate_scores.scores[CANDIDATE][0].probabilities is not None:
            evidence["calibration"] = measure_calibration(control, candidate_scores, truth)
        if numbers := measure_numbers(control, candidate_scores, truth):
            evidence["numbers"] = numbers
    candidate = compared_heads[CANDIDATE].head
    if isinstance(candidate, Regression | CombinedClasses):
        evidence["inputs"] = describe_inputs(candidate)
    finders = {
        name: compared_head.head.found_by
        for name, compared_head in zip(NAMES, compared_heads, strict=False)
        if isinstance(compared_head.head, Detection)
    }
    return decision, evidence | ({"found_by": finders} if finders else {})


def _has_more_labels(compared_heads: Sequence[ComparedHead]) -> bool:
    """Return whether the live version has a head of its own and the candidate's was trained on more labels."""
    candidate, live = (len(compared_heads[index].training_set.labels) for index in (CANDIDATE, LIVE))
    return candidate > live > 0


def _compare_pairs(
    agreements: Sequence[NDArray[np.float64]], scores: CandidateScores
) -> tuple[Comparison, Comparison, Comparison]:
    """Compare the candidate with the live version and the shipped head, and the live version with the shipped head."""
    is_resampled = scores.is_resampled.tolist()
    folds = scores.plan.folds if any(is_resampled) else None

    def compare_heads(first: int, second: int) -> Comparison:
        return compare(agreements[first], agreements[second], groups=scores.groups, cross_validated=is_resampled, folds=folds)

    return compare_heads(CANDIDATE, LIVE), compare_heads(CANDIDATE, SHIPPED), compare_heads(LIVE, SHIPPED)


def _count_objects(scores: CandidateScores, truth: Examples) -> ObjectCounts:
    """Count the objects on the scored images, in the first repetition."""
    object_counts = np.array([len(truth.labels[image]) for image in scores.images])
    with_objects = object_counts > 0
    candidate, live = scores.scores[CANDIDATE][0], scores.scores[LIVE][0]
    return ObjectCounts(
        drawn_count=int(object_counts.sum()),
        predicted_count=int(candidate.predicted_counts[with_objects].sum()),
        candidate_hits=int(candidate.hits.sum()),
        live_hits=int(live.hits.sum()),
    )

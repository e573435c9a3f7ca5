"""The verdict of the gate, and its evidence: the measurements and the reason, as the registry stores them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.heads.classification.combined import CombinedClasses
from backend.heads.regression import Regression
from backend.loop.gate.candidates import CandidateScores
from backend.loop.gate.decision import Decision, HeadOrigin
from backend.loop.scores.comparison import Comparison
from backend.loop.scores.controls import calibration_of
from backend.prediction.control_models.agreement import is_redshift
from backend.prediction.control_models.examples import Examples
from backend.registry.records import title_of_head
from backend.reports.number_scores import bias, coverage, outlier_share, scaled_errors, sigma_nmad
from sync.labelling.config import Control

__all__ = [
    "NAMES",
    "Verdict",
    "as_evidence",
    "describe_decision",
    "describe_inputs",
    "describe_method",
    "measure_calibration",
    "measure_numbers",
]

NAMES = ("candidate", "live", "shipped")
"""Names of the compared heads in the evidence, in the order of their scores."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the candidate goes live, with which heads, and the measurements.

    Attributes
    ----------
    goes_live : bool
    heads : mapping
        Control's name to the number of the version that its head comes from.
    evidence : dict
        The reason and, for each control, its comparisons and scores, as the registry stores them.
    """

    goes_live: bool
    heads: Mapping[str, int]
    evidence: dict[str, Any]

    @property
    def reason(self) -> str:
        """The reason for the verdict, in one sentence."""
        return str(self.evidence["reason"])


def as_evidence(
    decision: Decision, comparisons: tuple[Comparison, Comparison, Comparison], scores: Sequence[NDArray[np.float64]]
) -> dict[str, Any]:
    """Return a decision and its comparisons as the evidence that the registry stores.

    Parameters
    ----------
    decision : Decision
    comparisons : tuple of Comparison
        The candidate with the live version, the candidate with the shipped head, the live version with the shipped head.
    scores : sequence of ndarray
        Agreement of each of `NAMES`; empty arrays if nothing could be compared.
    """
    means = {name: float(agreement.mean()) for name, agreement in zip(NAMES, scores, strict=True) if agreement.size}
    names = ("versus_live", "versus_shipped", "live_versus_shipped")
    comparison_fields = {
        name: {**asdict(comparison), "answer": str(comparison.answer)}
        for name, comparison in zip(names, comparisons, strict=True)
    }
    return {
        "taken": str(decision.origin),
        "reason": decision.reason,
        "judged_on": comparisons[0].tasks,
        **means,
        **comparison_fields,
    }


def measure_calibration(control: Control, candidate_scores: CandidateScores, truth: Examples) -> dict[str, dict[str, float]]:
    """Measure the calibration of each head that predicts probabilities, on the scored images that it predicts."""
    targets = np.stack([truth.labels[image] for image in candidate_scores.images])
    calibration = {}
    for name, scores in zip(NAMES, candidate_scores.scores, strict=True):
        probabilities = scores[0].probabilities
        if probabilities is not None and len(rows := np.flatnonzero(np.isfinite(probabilities).all(axis=1))):
            calibration[name] = calibration_of(control, probabilities[rows], targets[rows])
    return calibration


def measure_numbers(control: Control, candidate_scores: CandidateScores, truth: Examples) -> dict[str, dict[str, float]]:
    """Measure the errors and intervals of each head that predicts numbers, on the scored images.

    Returns
    -------
    dict
        Name of a head to ``sigma_nmad`` and ``bias``, of redshifts in units of 1 + z; ``outliers``, the share of errors above
        0.15 (1 + z), or above five times sigma_NMAD; ``coverage_68`` and ``coverage_90``, the shares of values in the
        intervals. All heads are measured on the images that all of them predict.
    """
    relative = is_redshift(control)
    numbers_of = {
        name: scores[0].numbers
        for name, scores in zip(NAMES, candidate_scores.scores, strict=True)
        if scores[0].numbers is not None and np.isfinite(scores[0].numbers).any()
    }
    if not numbers_of:  # labels of other controls are not numbers
        return {}
    true = np.array([truth.labels[image] for image in candidate_scores.images], np.float64)
    is_predicted = np.logical_and.reduce([np.isfinite(numbers).all(axis=1) for numbers in numbers_of.values()])
    if not np.any(is_predicted):
        return {}
    measurements = {}
    for name, numbers in numbers_of.items():
        values, narrow, wide = numbers[is_predicted].T
        own_true = true[is_predicted]
        errors = scaled_errors(values, own_true, relative=relative)
        scores_by_name = {
            "sigma_nmad": sigma_nmad(errors),
            "bias": bias(errors),
            "outliers": outlier_share(errors, relative=relative),
            "coverage_68": coverage(values, narrow, own_true),
            "coverage_90": coverage(values, wide, own_true),
        }
        measurements[name] = {key: float(score(np.ones((1, len(own_true))))[0]) for key, score in scores_by_name.items()}
    return measurements


def describe_method(is_resampled: NDArray[np.bool_]) -> str:
    """Name the images that heads were scored on: held-out tasks, cross-validation or both."""
    refitted_count, held_out = int(is_resampled.sum()), int((~is_resampled).sum())
    if not refitted_count:
        return "held-out tasks"
    return f"cross-validation and {held_out} held-out tasks" if held_out else "cross-validation"


def describe_decision(name: str, decision: Decision, evidence: Mapping[str, Any]) -> str:
    """Return the decision on a head and its reason in one sentence."""
    versus_live = evidence["versus_live"]
    interval = " ({difference:+.3f}, {low:+.3f} to {high:+.3f}, {tasks} tasks)".format_map(versus_live)
    back = "; the shipped head is restored" if decision.origin is HeadOrigin.SHIPPED else ""
    numbers, inputs = _describe_numbers(evidence.get("numbers", {})), evidence.get("inputs", {}).get("used", [])
    inputs_note = f", uses {' and '.join(inputs)}" if inputs else ""
    return f"{title_of_head(name)} {decision.reason}{interval if versus_live['tasks'] else ''}{numbers}{inputs_note}{back}"


def _describe_numbers(numbers: Mapping[str, Mapping[str, float]]) -> str:
    """Return the candidate's scores from `measure_numbers` in a part of a sentence, with those of the live head in brackets."""
    if "candidate" not in numbers:
        return ""
    forms = {"σ_NMAD": ("sigma_nmad", ".3g"), "bias": ("bias", "+.2g"), "outliers": ("outliers", ".1%")}
    forms["in the 68 % interval"] = "coverage_68", ".0%"
    parts = []
    for title, (key, form) in forms.items():
        live = f" (live {numbers['live'][key]:{form}})" if "live" in numbers else ""
        parts.append(f"{title} {numbers['candidate'][key]:{form}}{live}")
    return f", {', '.join(parts)}"


def describe_inputs(head: Regression | CombinedClasses) -> dict[str, Any]:
    """Return as evidence which feature blocks a head uses, beside the image and without one, and why it leaves out columns."""
    inputs = {
        "used": sorted(head.blocks),
        "used_without_image": sorted(head.blocks_without_image),
        "left_out": list(head.table.left_out),
    }
    return inputs | ({"compared": [asdict(trial) for trial in head.trials]} if isinstance(head, CombinedClasses) else {})

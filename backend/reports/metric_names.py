"""How scores are called and written for people: on the page of a project and in the terminal."""

from __future__ import annotations

import math
from collections.abc import Iterable

from backend.reports.estimate import Estimate, Metric

__all__ = [
    "AGREEMENT_NAMES",
    "CLASS_METRIC_NAMES",
    "METRICS_WITH_UNIT",
    "METRIC_NAMES",
    "choose_metric",
    "format_estimate",
    "format_number",
]

METRIC_NAMES: dict[Metric, str] = {
    "macro_auc": "macro AUC",
    "accuracy": "accuracy",
    "kappa": "Cohen's kappa",
    "mask_iou": "IoU of masks",
    "ap50": "AP of boxes (IoU 0.5)",
    "f1": "F1",
    "r2": "R²",
    "sigma_nmad": "σ_NMAD",
    "rmse": "RMSE",
    "bias": "bias",
    "outliers": "outliers",
    "coverage": "in the 68 % interval",
    "click_iou": "IoU after one click",
}
"""Name of each score, the most informative one first."""
CLASS_METRIC_NAMES: dict[Metric, str] = METRIC_NAMES | {"macro_auc": "AUC", "accuracy": "share correct", "ap50": "AP (IoU 0.5)"}
"""Name of each score of a single class."""
AGREEMENT_NAMES = {"classes": "Cohen's kappa", "number": "agreement", "objects": "F1 of both versions' objects"}
"""By kind of control, the name of the agreement of two versions' predictions."""
METRICS_WITH_UNIT: frozenset[Metric] = frozenset({"rmse", "sigma_nmad", "bias"})
"""Scores in the unit of the control; the others are at most 1."""


def choose_metric(metrics: Iterable[Metric]) -> Metric | None:
    """Return the score that stands for the quality of a control; None if there is none."""
    names = set(metrics)
    return next((metric for metric in METRIC_NAMES if metric in names), None)


def format_number(value: float, metric: Metric | None = None) -> str:
    """Format a score with three decimals, or at least three digits if it has a unit."""
    return f"{value:,.{_decimals(value)}f}" if metric in METRICS_WITH_UNIT else f"{value:.3f}"


def format_estimate(estimate: Estimate, metric: Metric | None = None) -> str:
    """Format a score with its interval, "0.947 (0.921 to 0.968)"; without one if it could not be estimated."""
    value = format_number(estimate.value, metric)
    if estimate.low is None or estimate.high is None:
        return value
    return f"{value} ({format_number(estimate.low, metric)} to {format_number(estimate.high, metric)})"


def _decimals(value: float) -> int:
    """Return the number of decimals with which a value has three digits, at most six."""
    return 0 if not value else min(max(2 - math.floor(math.log10(abs(value))), 0), 6)

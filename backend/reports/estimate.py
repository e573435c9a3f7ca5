"""Names of scores, and a score with its confidence interval."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

__all__ = ["Estimate", "Metric", "ReportPart"]

Metric = Literal[
    "accuracy",
    "macro_auc",
    "kappa",
    "rmse",
    "r2",
    "sigma_nmad",
    "bias",
    "outliers",
    "coverage",
    "ap50",
    "f1",
    "mask_iou",
    "click_iou",
]
"""Names of scores. `ap50` is the average precision of boxes at an IoU of 0.5, `coverage` the share of values in the 68 %
interval of their predictions."""


class ReportPart(BaseModel):
    """A part of a report that never changes; fields that another release added are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Estimate(ReportPart):
    """A value with its 95 % confidence interval; the bounds are None where the interval cannot be estimated."""

    value: float
    low: float | None = None
    high: float | None = None

"""Regression: heads of Number and Rating controls."""

from __future__ import annotations

from backend.heads.regression.regression import NumberPredictions, Regression, predict_numbers
from backend.heads.regression.ridge import MINIMUM_LABELS, Parameters

__all__ = ["MINIMUM_LABELS", "NumberPredictions", "Parameters", "Regression", "predict_numbers"]

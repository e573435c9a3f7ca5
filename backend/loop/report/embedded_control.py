"""Controls that are predicted from embeddings, classes and numbers: predictions of a head, and the scores of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.heads import Head
from backend.heads.inputs import HeadInputs
from backend.heads.regression import Parameters, Regression, predict_numbers
from backend.loop.gate.head_scorer import model_of
from backend.prediction.control_models import ClassModel, StructureModel
from backend.prediction.control_models.agreement import is_redshift
from backend.prediction.control_models.class_targets import leaf_targets
from backend.prediction.control_models.classes import CHOSEN_ABOVE
from backend.prediction.live import LivePredictors
from backend.reports.class_scores import accuracy, class_auc, macro_auc
from backend.reports.estimate import Metric
from backend.reports.number_scores import bias, coverage, outlier_share, r2, rmse, scaled_errors, sigma_nmad
from backend.reports.resampling import Score
from sync.labelling.config import Control

__all__ = ["ClassControl", "EmbeddedControl", "NumberControl"]

Floats = NDArray[np.float64]


class EmbeddedControl(ABC):
    """A control that is predicted from embeddings.

    Parameters
    ----------
    control : Control
    predictors : LivePredictors

    Attributes
    ----------
    metric : str
        The score of the learning curve.
    """

    metric: Metric

    def __init__(self, control: Control, predictors: LivePredictors) -> None:
        self.control, self.predictors = control, predictors

    @abstractmethod
    def predict(self, head: Head | None, inputs: HeadInputs) -> Floats | None:
        """Return the predictions of a head, or of the shipped one, shape (n, ...); None if it cannot predict the control."""

    @abstractmethod
    def scores(self, predictions: Floats, labels: Sequence[Any]) -> dict[Metric, Score]:
        """Return the scores of predictions on the images with these labels."""

    def label_scores(self, predictions: Floats, labels: Sequence[Any]) -> Mapping[str, dict[Metric, Score]]:
        """Return the scores of each label."""
        return {}

    def codes(self, predictions: Floats) -> NDArray[np.intp] | None:
        """Return a whole number per image that stands for the predicted classes; None for numbers."""
        return None

    def is_scorable(self, label: Any) -> bool:
        """Return whether a label has a place among the predictions."""
        return True


class ClassControl(EmbeddedControl):
    """Choices and Taxonomy: predictions are probabilities of the control's labels, shape (n, k)."""

    metric: Metric = "macro_auc"

    def predict(self, head: Head | None, inputs: HeadInputs) -> Floats | None:
        model = model_of(self.predictors, self.control, head)
        if not isinstance(model, ClassModel) or not len(inputs):
            return None
        return np.asarray(model.probabilities(inputs), np.float64)

    def targets(self, labels: Sequence[Any]) -> Floats:
        """Return the share of annotators that chose each label of the control, shape (n, k)."""
        if not len(labels):
            return np.zeros((0, len(self.control.labels)))
        return np.asarray(leaf_targets(np.stack(labels), self.control), np.float64)

    def is_scorable(self, label: Any) -> bool:
        return self.control.multiple or bool(self.targets([label]).any())

    def choose_classes(self, shares: Floats) -> NDArray[np.bool_]:
        """Return the chosen labels, shape (n, k): the likeliest one, or for a multiple choice all above one half."""
        if self.control.multiple:
            return np.asarray(shares > CHOSEN_ABOVE, np.bool_)
        return np.asarray(np.arange(shares.shape[1]) == shares.argmax(axis=1)[:, None], np.bool_)

    def scores(self, predictions: Floats, labels: Sequence[Any]) -> dict[Metric, Score]:
        true = self.choose_classes(self.targets(labels))
        return {
            "accuracy": accuracy((self.choose_classes(predictions) == true).all(axis=1)),
            "macro_auc": macro_auc(predictions, true),
        }

    def label_scores(self, predictions: Floats, labels: Sequence[Any]) -> Mapping[str, dict[Metric, Score]]:
        truth, predictions_of_labels = self.choose_classes(self.targets(labels)), self.choose_classes(predictions)
        return {
            label.value: {
                "accuracy": _recall(predictions_of_labels[:, place], truth[:, place]),
                "macro_auc": class_auc(predictions[:, place], truth[:, place]),
            }
            for place, label in enumerate(self.control.labels)
        }

    def codes(self, predictions: Floats) -> NDArray[np.intp] | None:
        choices = self.choose_classes(predictions)
        if not self.control.multiple:
            return np.asarray(choices.argmax(axis=1), np.intp)
        return np.array([hash(tuple(np.flatnonzero(row).tolist())) for row in choices], np.intp)


class NumberControl(EmbeddedControl):
    """Number and Rating: predictions are values and half-widths of their 68 % intervals, shape (n, 2)."""

    metric: Metric = "r2"

    def predict(self, head: Head | None, inputs: HeadInputs) -> Floats | None:
        if not len(inputs):
            return None
        if not isinstance(head, Regression | Parameters):
            return self._measure(head, inputs)
        numbers = predict_numbers(head, self.predictors.base.read_inputs(inputs, head.encoder))
        return np.column_stack([numbers.values, numbers.half_widths[0]])

    def _measure(self, head: Head | None, inputs: HeadInputs) -> Floats | None:
        """Return measured quantities; None for another control, and if a galaxy could not be measured."""
        model = model_of(self.predictors, self.control, head)
        if not isinstance(model, StructureModel):
            return None
        values, errors = model.predict_blocks(inputs.blocks)
        return np.column_stack([values, np.nan_to_num(errors)]) if np.isfinite(values).all() else None

    def scores(self, predictions: Floats, labels: Sequence[Any]) -> dict[Metric, Score]:
        true = np.asarray(labels, np.float64)
        relative = is_redshift(self.control)
        values = predictions[:, 0]
        errors = scaled_errors(values, true, relative=relative)
        return {
            "r2": r2(values, true),
            "sigma_nmad": sigma_nmad(errors),
            "rmse": rmse(values, true),
            "bias": bias(errors),
            "outliers": outlier_share(errors, relative=relative),
            "coverage": coverage(values, predictions[:, 1], true),
        }


def _recall(is_predicted: NDArray[np.bool_], is_true: NDArray[np.bool_]) -> Score:
    """Return the score that computes the share of a label's images that the label is predicted for."""

    def compute(weights: Floats) -> Floats:
        inside = weights @ is_true
        share = np.divide(weights @ (is_predicted & is_true), inside, out=np.full(len(weights), np.nan), where=inside > 0)
        return np.asarray(share, np.float64)

    return compute

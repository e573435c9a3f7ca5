"""Predictions: one per task, assembled from the control models' regions on each image of the task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backend.prediction.control_models import RegionPredictions
from sync.controls.control import Control
from sync.label_studio.task_images import place_region
from sync.labelling.config import LabelConfig
from sync.labelling.visibility import hidden_controls

__all__ = ["EMPTY_SCORE", "LEAST_SCORE", "Draft", "ImageName", "Prediction", "PredictionTask"]

ImageName = tuple[str, int]
"""Name of an Image tag, and number of a page."""
EMPTY_SCORE = 1.0
"""Score of an empty prediction: uncertainty sampling serves the lowest first, and a task with an unreadable image should
come last."""

LEAST_SCORE = 1e-3
"""Lowest score of a prediction; the scores of the tasks that the worker places at the front of a queue are below it."""


@dataclass(frozen=True, slots=True)
class PredictionTask:
    """A Label Studio task.

    Attributes
    ----------
    id : int
    data : mapping
    stored_results : mapping
        Its `predictions`, `annotations` and `drafts`, in an interactive request; empty elsewhere.
    """

    id: int
    data: Mapping[str, Any]
    stored_results: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Prediction:
    """The prediction for one task.

    Attributes
    ----------
    result : list of dict
        Label Studio regions; empty if nothing can be predicted.
    score : float
        Mean acquisition confidence of the control models, in [`LEAST_SCORE`, 1]; the lowest
        is the most useful task to label next.
    model_version : str
        Name of the version that made it.
    problem : str
        Why an image could not be read or a control could not be predicted, in a sentence; empty without a problem.
    """

    result: list[dict[str, Any]]
    score: float
    model_version: str
    problem: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the prediction as JSON for Label Studio."""
        return {"result": self.result, "score": self.score, "model_version": self.model_version}


@dataclass
class Draft:
    """The regions of one task so far, image by image."""

    region_predictions: list[tuple[Control, ImageName, RegionPredictions]] = field(default_factory=list)
    problem: str = ""

    def finish(self, config: LabelConfig, version: str) -> Prediction:
        """Order the regions by Image tag, page and control, and leave out the controls that Label Studio then hides.

        Parameters
        ----------
        config : LabelConfig
        version : str
            Model version that the prediction states.

        Raises
        ------
        ValueError
            If the score is not finite.
        """
        order = {control.name: place for place, control in enumerate(config.controls)}
        tags = list(config.image_key)
        predictions = sorted(
            self.region_predictions, key=lambda item: (tags.index(item[1][0]), item[1][1], order[item[0].name])
        )
        hidden_names = hidden_controls([region for _, _, item in predictions for region in item.regions], config)
        visible = [(image, item) for control, image, item in predictions if control.name not in hidden_names]
        regions = [place_region(region, config, image) for image, item in visible for region in item.regions]
        confidences = [item.confidence for _, item in visible if item.confidence is not None]
        score = float(np.mean(confidences)) if confidences else EMPTY_SCORE
        if not np.isfinite(score):
            raise ValueError(f"the score of the prediction is {score}")
        return Prediction(regions, max(score, LEAST_SCORE), version, self.problem)

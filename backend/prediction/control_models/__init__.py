"""Control models: each predicts one control with its head, from features of images to Label Studio regions.

Each kind of control has one class with all that differs between kinds: how examples are read, how a head is trained, predicted
and scored, and which columns a survey has. Only `CONTROL_MODELS` selects between these classes.
"""

from __future__ import annotations

from collections.abc import Sequence

from backend.heads.detection.fcos.detector import LearnedDetector
from backend.heads.regression import Parameters, Regression
from backend.heads.segmentation.prompted_masks import PromptedMasks
from backend.prediction.base_classifier import BaseClassifier
from backend.prediction.control_models.base_classes import base_offset, base_probabilities
from backend.prediction.control_models.classes import ClassModel
from backend.prediction.control_models.control_model import ControlModel, Heads
from backend.prediction.control_models.examples import Examples, ImageOfTask
from backend.prediction.control_models.numbers import NumberModel
from backend.prediction.control_models.objects import ObjectModel
from backend.prediction.control_models.results import RegionPredictions, Scores
from backend.prediction.control_models.shared_objects import shared_objects
from backend.prediction.control_models.structure import StructureModel, measured_quantity
from backend.prediction.control_models.training_data import TrainingData
from backend.prediction.project_heads import ProjectHeads
from sync.controls import CONTROLS, Kind
from sync.controls.control import Control

__all__ = [
    "CONTROL_MODELS",
    "ClassModel",
    "ControlModel",
    "Examples",
    "Heads",
    "ImageOfTask",
    "NumberModel",
    "ObjectModel",
    "RegionPredictions",
    "Scores",
    "StructureModel",
    "TrainingData",
    "base_offset",
    "base_probabilities",
    "create_models",
    "model_class",
]

CONTROL_MODELS: dict[Kind, type[ControlModel]] = {
    Kind.CLASSES: ClassModel,
    Kind.NUMBER: NumberModel,
    Kind.OBJECTS: ObjectModel,
}


def model_class(control: Control) -> type[ControlModel]:
    """Return the class of the models of a control: that of its kind, or `StructureModel` for a measured quantity."""
    if measured_quantity(control) is not None:
        return StructureModel
    return CONTROL_MODELS[CONTROLS[control.tag].KIND]


def create_models(
    controls: Sequence[Control],
    heads: ProjectHeads,
    *,
    base: BaseClassifier,
    masks: PromptedMasks,
    detector: LearnedDetector | None = None,
) -> list[ControlModel]:
    """Create the model of each control; controls that neither a trained nor a shipped head can predict are left out.

    Parameters
    ----------
    controls : sequence of Control
    heads : ProjectHeads
        The trained heads.
    base : BaseClassifier
        The shipped classifier.
    masks : PromptedMasks
        The segmenter.
    detector : LearnedDetector, optional
        The shipped detector, if there is one for the encoder in use.
    """
    heads_of_models = Heads(heads.by_control, base, masks, detector, shared_objects(controls, heads))
    models = (_model_class_of_head(control, heads).create(control, heads_of_models) for control in controls)
    return [model for model in models if model is not None]


def _model_class_of_head(control: Control, heads: ProjectHeads) -> type[ControlModel]:
    """Return the class of a control's models; a version that has a regression for a measured quantity keeps it."""
    is_regression = isinstance(heads.by_control.get(control.name), Regression | Parameters)
    return NumberModel if is_regression else model_class(control)

"""The heads: small models on the features of the encoder and on extracted sources, with the same methods.

`fit` returns a trained head, which never changes; `predict` applies it; `save` and `load` store and read it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from backend.heads.calibration import Calibration
from backend.heads.classification.combined import CombinedClasses
from backend.heads.classification.decision_tree import DecisionTree
from backend.heads.classification.morphology import Morphology
from backend.heads.detection.detection import Detection
from backend.heads.errors import HeadError, NotEnoughLabels
from backend.heads.regression import Parameters, Regression
from backend.heads.restoration.share import CorrectionShare
from backend.heads.segmentation.prompted_masks import PromptedMasks

__all__ = ["HEADS", "EmbeddedHead", "Head", "HeadError", "NotEnoughLabels"]

EmbeddedHead = Morphology | DecisionTree | CombinedClasses | Parameters | Regression
"""Heads that read embeddings, each of the encoder that it names."""


class Head(Protocol):
    """The common method of all heads; `fit` and `predict` differ in their parameters."""

    def save(self, folder: Path) -> None:
        """Write JSON and safetensors into `folder`."""


HEADS: dict[str, type[EmbeddedHead | Calibration | Detection | PromptedMasks | CorrectionShare]] = {
    "morphology": Morphology,
    "tree": DecisionTree,
    "combined_classes": CombinedClasses,
    "parameters": Parameters,
    "regression": Regression,
    "calibration": Calibration,
    "detection": Detection,
    "masks": PromptedMasks,
    "restored": CorrectionShare,
}

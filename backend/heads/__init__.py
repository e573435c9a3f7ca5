"""The heads: light models on what the encoder and the source extraction see, one file a downstream task, with the same verbs.

`fit` learns and returns a head that never changes, `predict` says what it sees, `save` and `load` keep it on disk.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from backend.heads.classification.decision_tree import DecisionTree
from backend.heads.classification.morphology import Morphology
from backend.heads.detection.detection import Detection
from backend.heads.errors import HeadError, NotEnoughLabels
from backend.heads.regression import Parameters
from backend.heads.segmentation.prompted_masks import PromptedMasks

__all__ = ["HEADS", "Head", "HeadError", "NotEnoughLabels"]


class Head(Protocol):
    """What the heads have in common; `fit` and `predict` differ in what they take."""

    def save(self, folder: Path) -> None:
        """Write JSON and safetensors into `folder`."""


HEADS: dict[str, type[Morphology | DecisionTree | Parameters | Detection | PromptedMasks]] = {
    "morphology": Morphology,
    "tree": DecisionTree,
    "parameters": Parameters,
    "detection": Detection,
    "masks": PromptedMasks,
}

"""Embeddings of the images of a project, read in small parts from the cache."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from backend.heads.detection.fcos.detector import LearnedDetector
from backend.loop.report.inputs import Check
from backend.prediction.base_classifier import BaseClassifier
from backend.prediction.control_models.examples import Examples
from backend.prediction.control_models.object_images import ObjectImages, open_images
from backend.prediction.image_features import ImageFeatures
from backend.prediction.live import LivePredictors
from sync.labelling.config import Control

__all__ = ["EmbeddingReader"]

PART = 100
"""Images between two checks; their encoded files are in memory together."""


class EmbeddingReader:
    """Reads embeddings, each once; it is the training data of the heads of a learning curve.

    Parameters
    ----------
    predictors : LivePredictors
    check : callable
        Called before every `PART` images.
    encoder : str
        Fingerprint of the encoder that the heads are trained on.
    """

    def __init__(self, predictors: LivePredictors, check: Check, encoder: str) -> None:
        self._predictors, self._check, self.encoder = predictors, check, encoder
        self._read: dict[str, NDArray[np.float32] | None] = {}

    @property
    def base(self) -> BaseClassifier:
        """The shipped classifier."""
        return self._predictors.base

    @property
    def detector(self) -> LearnedDetector | None:
        """The shipped detector, if there is one for the encoder in use."""
        return self._predictors.base_detector

    def embeddings(self, references: Sequence[str]) -> list[NDArray[np.float32] | None]:
        """Return the embeddings of images; None for those that cannot be read."""
        new = [reference for reference in dict.fromkeys(references) if reference not in self._read]
        for start in range(0, len(new), PART):
            self._check()
            part = new[start : start + PART]
            for reference, features in zip(part, self._predictors.extractor.extract_features(part, embed=True), strict=True):
                self._read[reference] = features.embedding if isinstance(features, ImageFeatures) else None
        return [self._read[reference] for reference in references]

    def open_images(self, examples: Examples, control: Control) -> ObjectImages:
        """Open the images of a control of objects."""
        return open_images(self._predictors.extractor, examples)

"""Number, by regression on embeddings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from backend.heads.extraction.source import ExtractionSettings
from backend.heads.regression import Parameters
from backend.prediction.control_models.control_model import Filled, embedding_of
from backend.prediction.features import ImageFeatures
from sync.controls import number
from sync.labelling.config import Control

__all__ = ["NumberFiller"]


class NumberFiller:
    """Number, by regression on embeddings."""

    needs_embedding = True
    needs_sources: ExtractionSettings | None = None
    needs_look = False

    def __init__(self, control: Control, head: Parameters) -> None:
        self.control = control
        self._head = head

    def predict(self, features_of_images: Sequence[ImageFeatures]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Predicted values and their standard deviations, shape (n,) each."""
        return self._head.predict(np.stack([embedding_of(one) for one in features_of_images]))

    def values(self, features_of_images: Sequence[ImageFeatures]) -> NDArray[np.float64]:
        """Predicted values, shape (n,)."""
        return np.asarray(self.predict(features_of_images)[0], np.float64)

    def sureness(self, deviations: NDArray[np.float32]) -> NDArray[np.float64]:
        """1 amid what it was taught, less where the embedding is far from all of that, shape (n,)."""
        sure = np.divide(self._head.noise, deviations, out=np.ones(len(deviations)), where=deviations > 0)
        return np.asarray(sure.clip(0, 1), np.float64)

    def fill(self, features_of_images: Sequence[ImageFeatures]) -> list[Filled]:
        if not features_of_images:
            return []
        values, deviations = self.predict(features_of_images)
        filled = []
        for value, sure in zip(values.tolist(), self.sureness(deviations).tolist(), strict=True):
            filled.append(Filled([number.encode(value, control=self.control, score=sure)], sure))
        return filled

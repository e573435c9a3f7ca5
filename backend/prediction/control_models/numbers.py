"""Number, by regression on embeddings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from backend.heads.extraction.extract import ExtractionSettings
from backend.heads.regression import Parameters
from backend.prediction.control_models.control_model import Filled, embedding_of
from backend.prediction.features import Observation
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

    def predict(self, observations: Sequence[Observation]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Predicted values and their standard deviations, shape (n,) each."""
        return self._head.predict(np.stack([embedding_of(one) for one in observations]))

    def values(self, observations: Sequence[Observation]) -> NDArray[np.float64]:
        """Predicted values, shape (n,)."""
        return np.asarray(self.predict(observations)[0], np.float64)

    def sureness(self, deviations: NDArray[np.float32]) -> NDArray[np.float64]:
        """1 amid what it was taught, less where the embedding is far from all of that, shape (n,)."""
        sure = np.divide(self._head.noise, deviations, out=np.ones(len(deviations)), where=deviations > 0)
        return np.asarray(sure.clip(0, 1), np.float64)

    def fill(self, observations: Sequence[Observation]) -> list[Filled]:
        if not observations:
            return []
        values, deviations = self.predict(observations)
        filled = []
        for value, sure in zip(values.tolist(), self.sureness(deviations).tolist(), strict=True):
            filled.append(Filled([number.encode(value, control=self.control, score=sure)], sure))
        return filled

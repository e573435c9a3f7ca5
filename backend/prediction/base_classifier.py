"""The shipped classifier, together with the columns of each encoder in the embeddings that control models receive."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from backend.heads.classification.morphology import Morphology
from backend.heads.inputs import HeadInputs
from backend.lvm.joined_embeddings import EmbeddingColumns, Float

__all__ = ["BaseClassifier"]


@dataclass(frozen=True, slots=True, eq=False)
class BaseClassifier:
    """Reads the columns of its encoder, and returns those of any other encoder for a project's heads.

    Attributes
    ----------
    morphology : Morphology
        The shipped head.
    columns : EmbeddingColumns
        Columns of each encoder in the embeddings.
    """

    morphology: Morphology
    columns: EmbeddingColumns

    @classmethod
    def alone(cls, morphology: Morphology) -> Self:
        """Return the classifier for embeddings by its own encoder only."""
        return cls(morphology, EmbeddingColumns.of_one(morphology.encoder))

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        return self.morphology.classes

    def predict(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return probabilities of the classes, shape (n, k), for embeddings of shape (n, d)."""
        return self.morphology.predict(self.read(embeddings, self.morphology.encoder))

    def read_inputs(self, inputs: HeadInputs, encoder: str) -> HeadInputs:
        """Return the inputs of a head with the embeddings of its encoder only; errors are those of `EmbeddingColumns.read`."""
        return replace(inputs, embeddings=self.read(inputs.embeddings, encoder))

    def read(self, embeddings: NDArray[Float], encoder: str) -> NDArray[Float]:
        """Return the columns of one encoder; parameters and errors are those of `EmbeddingColumns.read`."""
        return self.columns.read(embeddings, encoder)

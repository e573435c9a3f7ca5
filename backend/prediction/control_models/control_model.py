"""What a filler is: one control and the head that fills it, from what was seen of a picture to regions and a confidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from backend.heads.extraction.source import ExtractionSettings
from backend.prediction.features import ImageFeatures
from sync.labelling.config import Control

__all__ = ["Filled", "Filler", "embedding_of"]


@dataclass(frozen=True, slots=True)
class Filled:
    """A control's regions on one task, and how sure the head is, in [0, 1] (None: it has nothing to say)."""

    regions: list[dict[str, Any]]
    confidence: float | None


class Filler(Protocol):
    """Fills one control."""

    @property
    def control(self) -> Control:
        """What it fills."""
        ...

    @property
    def needs_embedding(self) -> bool:
        """Whether observations must have an embedding."""
        ...

    @property
    def needs_sources(self) -> ExtractionSettings | None:
        """With which settings observations must have sources."""
        ...

    @property
    def needs_look(self) -> bool:
        """Whether observations must have a look at the picture."""
        ...

    def fill(self, features_of_images: Sequence[ImageFeatures]) -> list[Filled]:
        """Fill the control on each picture, in order."""
        ...


def embedding_of(features: ImageFeatures) -> NDArray[np.float32]:
    """The embedding of a picture, which a filler has announced that it needs."""
    assert features.embedding is not None, "this head was not announced as one that needs embeddings"
    return features.embedding

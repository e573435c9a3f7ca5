"""Embeddings of images that can be read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from backend.services import Services
from sync.errors.images import ImageError

__all__ = ["embed"]


def embed(services: Services, references: Sequence[str]) -> list[NDArray[np.float32]]:
    """Return the embedding of each image."""
    embeddings = []
    for features in services.predictors.extractor.extract_features(references, embed=True):
        assert not isinstance(features, ImageError)
        assert features.embedding is not None
        embeddings.append(features.embedding)
    return embeddings

"""What a head for classes or numbers predicts from: the embeddings of n galaxies' images, and their feature blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.heads.feature_blocks import NO_BLOCKS, FeatureBlocks

__all__ = ["HeadInputs"]


@dataclass(frozen=True, slots=True, eq=False)
class HeadInputs:
    """The inputs of n galaxies.

    Attributes
    ----------
    embeddings : ndarray, shape (n, d)
        A row of NaN for a galaxy without an image; with d = 0 none has one.
    blocks : tuple of FeatureBlocks, length n
    """

    embeddings: NDArray[np.float32]
    blocks: tuple[FeatureBlocks, ...]

    def __post_init__(self) -> None:
        if self.embeddings.ndim != 2 or len(self.blocks) != len(self.embeddings):
            raise ValueError(f"embeddings of shape {self.embeddings.shape} do not fit {len(self.blocks)} feature blocks")

    @classmethod
    def of_images(cls, embeddings: NDArray[np.float32]) -> HeadInputs:
        """Return the inputs of images of which nothing else is known, from embeddings of shape (n, d)."""
        return cls(embeddings, (NO_BLOCKS,) * len(embeddings))

    @property
    def has_image(self) -> NDArray[np.bool_]:
        """Which galaxies have an image, shape (n,)."""
        return np.asarray(~np.isnan(self.embeddings).all(axis=1), np.bool_)

    def __len__(self) -> int:
        """Number of galaxies."""
        return len(self.embeddings)

    def only(self, places: Sequence[int] | NDArray[np.intp]) -> HeadInputs:
        """Return the inputs of the galaxies at the given indices."""
        index = np.asarray(places, np.intp)
        return HeadInputs(self.embeddings[index], tuple(self.blocks[place] for place in index.tolist()))

"""Embeddings by several encoders, joined into one row per image, and which columns of the row belong to which encoder.

The heads of a project may stand on another encoder than the shipped classifier, whose predictions they start from. Each head
names its encoder, and reads the columns of that encoder only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from backend.images.store import StoredImage
from backend.lvm.embeddings import EmbeddingSource

__all__ = ["EmbeddingColumns", "Float", "JoinedEmbeddings", "WrongEncoderError"]

Float = TypeVar("Float", bound=np.floating[Any])


class WrongEncoderError(ValueError):
    """A head stands on an encoder whose embeddings are not here; the message names both."""


@dataclass(frozen=True, slots=True)
class EmbeddingColumns:
    """The columns of each encoder in an embedding.

    Attributes
    ----------
    parts : mapping
        Fingerprint of an encoder to its columns.
    """

    parts: Mapping[str, slice]

    @classmethod
    def of_one(cls, encoder: str) -> Self:
        """Return the columns of embeddings by a single encoder."""
        return cls({encoder: slice(None)})

    def read(self, embeddings: NDArray[Float], encoder: str) -> NDArray[Float]:
        """Return the columns of one encoder, shape (n, dimension), of embeddings of shape (n, d).

        Raises
        ------
        WrongEncoderError
            If the embeddings are not from this encoder.
        """
        if encoder not in self.parts:
            raise WrongEncoderError(
                f"the head stands on the encoder {encoder}, and the embeddings are from {' and '.join(self.parts)}"
            )
        return embeddings[:, self.parts[encoder]]


class JoinedEmbeddings:
    """Embeddings by several encoders.

    Parameters
    ----------
    sources : mapping
        Fingerprint of an encoder to the source of its embeddings, in the order of the columns.
    firsts : mapping, optional
        Fingerprint of an encoder whose numbers are the first ones of a source, to that source and their number.
    """

    def __init__(self, sources: Mapping[str, EmbeddingSource], *, firsts: Mapping[str, tuple[str, int]] | None = None) -> None:
        self._sources = dict(sources)
        ends = np.cumsum([source.dimension for source in self._sources.values()]).tolist()
        starts = [0, *ends[:-1]]
        self.dimension = int(ends[-1])
        parts = {name: slice(start, end) for name, start, end in zip(self._sources, starts, ends, strict=True)}
        first_parts = {
            name: slice(parts[source].start, parts[source].start + length) for name, (source, length) in (firsts or {}).items()
        }
        self.columns = EmbeddingColumns(parts | first_parts)

    def of(self, images: Sequence[StoredImage], references: Sequence[str]) -> NDArray[np.float32]:
        """Return the embeddings of images, shape (n, dimension); parameters and errors are those of `EmbeddingSource`."""
        return np.concatenate([source.of(images, references) for source in self._sources.values()], axis=1)

    def read_cached(self, image_key: str, reference: str) -> NDArray[np.float32] | None:
        """Return the embedding of an image without opening it, shape (dimension,); None unless every encoder has one."""
        parts = []
        for source in self._sources.values():
            part = source.read_cached(image_key, reference)
            if part is None:
                return None
            parts.append(part)
        return np.concatenate(parts)

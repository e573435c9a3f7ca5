"""Embeddings that another program has computed, by the reference of each image in the data of tasks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from backend.images.store import StoredImage
from backend.lvm.checkpoint import CheckpointError
from sync.errors.images import ImageError

__all__ = ["REFERENCES_NAME", "VECTORS_NAME", "ImportedVectors", "save_vectors"]

VECTORS_NAME = "vectors.safetensors"
REFERENCES_NAME = "references.json"


class ImportedVectors:
    """Embeddings read from a folder that `save_vectors` wrote.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    CheckpointError
        If a file is missing or damaged.
    """

    def __init__(self, folder: Path) -> None:
        try:
            self._vectors: NDArray[np.float32] = load_file(folder / VECTORS_NAME)["vectors"]
            self._rows = {reference: row for row, reference in enumerate(json.loads((folder / REFERENCES_NAME).read_bytes()))}
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"the embeddings in {folder} cannot be read: {error}") from error
        if self._vectors.ndim != 2 or len(self._vectors) != len(self._rows):
            raise CheckpointError(f"the embeddings in {folder} have {len(self._rows)} images and {self._vectors.shape} numbers")

    @property
    def dimension(self) -> int:
        """Length of an embedding."""
        return int(self._vectors.shape[1])

    def of(self, images: Sequence[StoredImage], references: Sequence[str]) -> NDArray[np.float32]:
        """Return the embeddings of images by their references, shape (n, dimension).

        Raises
        ------
        ImageError
            If an image has none.
        """
        missing = next((reference for reference in references if reference not in self._rows), None)
        if missing is not None:
            raise ImageError(
                f"the imported embeddings have none of {missing}: import a file that has it with galaxyloop encoder use"
            )
        return self._vectors[[self._rows[reference] for reference in references]]

    def read_cached(self, image_key: str, reference: str) -> NDArray[np.float32] | None:
        """Return the embedding of an image, shape (dimension,); None if it has none."""
        row = self._rows.get(reference)
        return None if row is None else self._vectors[row]


def save_vectors(folder: Path, references: Sequence[str], vectors: NDArray[np.float32]) -> None:
    """Write embeddings, shape (n, d), and the n references of their images into a folder."""
    save_file({"vectors": np.ascontiguousarray(vectors, np.float32)}, folder / VECTORS_NAME)
    (folder / REFERENCES_NAME).write_text(json.dumps(list(references)))

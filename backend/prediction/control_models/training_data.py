"""Data that a head is trained on: the features of images, and the shipped heads that it starts from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from backend.heads.detection.fcos.detector import LearnedDetector
from backend.heads.feature_blocks import NO_BLOCKS
from backend.heads.inputs import HeadInputs
from backend.prediction.base_classifier import BaseClassifier
from backend.prediction.control_models.examples import Examples
from backend.prediction.control_models.object_images import ObjectImages
from backend.prediction.image_features import ImageFeatures
from sync.controls.control import Control

__all__ = ["TrainingData", "embedding_of", "inputs_of", "read_inputs", "stack_embeddings"]


class TrainingData(Protocol):
    """Access to the training data of a control, and to the shipped heads."""

    @property
    def base(self) -> BaseClassifier: ...

    @property
    def encoder(self) -> str:
        """Fingerprint of the encoder that heads for classes and numbers are trained on."""
        ...

    @property
    def detector(self) -> LearnedDetector | None: ...

    def embeddings(self, references: Sequence[str]) -> list[NDArray[np.float32] | None]:
        """Return the embeddings of images; None for those that cannot be read."""
        ...

    def open_images(self, examples: Examples, control: Control) -> ObjectImages:
        """Open the newest annotated images that can be read, up to the limit of pixels in memory."""
        ...


def embedding_of(features: ImageFeatures) -> NDArray[np.float32]:
    """Return the embedding of an image, which the features of tasks have."""
    assert features.embedding is not None, "the features were extracted without embeddings"
    return features.embedding


def inputs_of(features_of_images: Sequence[ImageFeatures]) -> HeadInputs:
    """Return the inputs of a head from the features of at least one image, or of a task without one."""
    embeddings = [None if features.image is None else embedding_of(features) for features in features_of_images]
    return HeadInputs(stack_embeddings(embeddings), tuple(features.blocks for features in features_of_images))


def stack_embeddings(embeddings: Sequence[NDArray[np.float32] | None]) -> NDArray[np.float32]:
    """Return the matrix of embeddings, as `HeadInputs` has them: shape (n, d) with rows of NaN for None, or (n, 0)."""
    dimension = next((len(embedding) for embedding in embeddings if embedding is not None), 0)
    missing = np.full(dimension, np.nan, np.float32)
    return np.stack([missing if embedding is None else embedding for embedding in embeddings])


def read_inputs(examples: Examples, data: TrainingData) -> tuple[list[Any], HeadInputs]:
    """Return the labels and inputs of the images that can be read, and of tasks without a readable image but with other inputs.

    Parameters
    ----------
    examples : Examples
    data : TrainingData

    Returns
    -------
    list, length n
        Labels.
    HeadInputs
        Of n images; embeddings of shape (n, 0) if none of them can be read.
    """
    embeddings = data.embeddings([examples.references[image] for image in examples.labels])
    rows = [
        (label, embedding, examples.blocks.get(image, NO_BLOCKS))
        for (image, label), embedding in zip(examples.labels.items(), embeddings, strict=True)
    ]
    usable = [row for row in rows if row[1] is not None or any(block.values for block in row[2].values())]
    if not usable:
        return [], HeadInputs.of_images(np.empty((0, 0), np.float32))
    labels, vectors, blocks = zip(*usable, strict=True)
    return list(labels), HeadInputs(stack_embeddings(vectors), blocks)

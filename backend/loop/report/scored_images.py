"""The held-out images of a control that all versions of a report are scored on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.heads.feature_blocks import NO_BLOCKS
from backend.heads.inputs import HeadInputs
from backend.loop.report.embeddings import EmbeddingReader
from backend.loop.report.inputs import ReportInputs
from backend.loop.report.versions import ShownVersion
from backend.prediction.control_models.examples import ImageOfTask
from sync.labelling.config import Control

__all__ = ["ScoredImages", "held_out_images", "read_images"]

MOST_EMBEDDED = 300
"""Largest number of held-out images for classes and numbers, the newest, as in the gate."""


@dataclass(frozen=True, eq=False)
class ScoredImages:
    """n images with their labels, embeddings and feature blocks.

    Attributes
    ----------
    images : list of ImageOfTask
    labels : list
        As in `Examples`.
    inputs : HeadInputs
    groups : list of str
        Galaxy or file that each image shows.
    """

    images: list[ImageOfTask]
    labels: list[Any]
    inputs: HeadInputs
    groups: list[str]

    def __len__(self) -> int:
        """Number of images."""
        return len(self.images)

    @property
    def galaxies(self) -> int:
        """Number of different galaxies."""
        return len(set(self.groups))

    def only(self, places: Sequence[int] | NDArray[np.intp]) -> ScoredImages:
        """Return the images at the given indices."""
        index = [int(place) for place in places]
        return ScoredImages(
            [self.images[place] for place in index],
            [self.labels[place] for place in index],
            self.inputs.only(index),
            [self.groups[place] for place in index],
        )


def held_out_images(
    inputs: ReportInputs, control: Control, versions: Sequence[ShownVersion], *, limit: int
) -> list[ImageOfTask]:
    """Return the newest held-out images of a control, at most `limit`.

    Images that a shown version was trained on, and their neighbours, are left out.
    """
    training_tasks = frozenset[int]().union(*(version.training_tasks for version in versions))
    neighbours = inputs.snapshot.sides.neighbours
    images = [
        image
        for image in inputs.truth[control.name].labels
        if image.task in inputs.held_out_tasks
        and training_tasks.isdisjoint({image.task} | neighbours.get(image.task, frozenset()))
    ]
    return inputs.newest(images, limit=limit)


def read_images(inputs: ReportInputs, control: Control, images: Sequence[ImageOfTask], reader: EmbeddingReader) -> ScoredImages:
    """Read the labels and inputs of images; images that cannot be read are left out."""
    examples = inputs.truth[control.name]
    embeddings = reader.embeddings([examples.references[image] for image in images])
    readable = [(image, embedding) for image, embedding in zip(images, embeddings, strict=True) if embedding is not None]
    names = [image for image, _ in readable]
    vectors = np.stack([embedding for _, embedding in readable]) if readable else np.empty((0, 1), np.float32)
    blocks = tuple(examples.blocks.get(image, NO_BLOCKS) for image in names)
    labels, galaxies = [examples.labels[image] for image in names], [inputs.galaxy(image) for image in names]
    return ScoredImages(names, labels, HeadInputs(vectors, blocks), galaxies)

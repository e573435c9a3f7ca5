"""Examples: the labels of one control by image, in the form that its head is trained on."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from typing import Any

from backend.heads.feature_blocks import FeatureBlocks

__all__ = ["Examples", "ImageOfTask"]


@dataclass(frozen=True, order=True, slots=True)
class ImageOfTask:
    """One image of a task: the name of its Image tag, and the index of its page (0 if the tag has no pages)."""

    task: int
    to_name: str
    page: int = 0


@dataclass
class Examples:
    """Labels of one control, image by image.

    Attributes
    ----------
    references : dict
        Image to its reference in the task's data; empty if the data have none.
    labels : dict
        Image to its label. Classes: an ndarray of soft labels; for Choices the share of annotators that chose each label, shape
        (k,); for a Taxonomy the share at each node of its `QuestionTree`, shape (m,). Numbers: a float. Objects: a list of
        `DrawnObject`, in pixels of the image.
    blocks : dict
        Image to the feature blocks of its task; images of controls that use none are left out.
    """

    references: dict[ImageOfTask, str] = field(default_factory=dict)
    labels: dict[ImageOfTask, Any] = field(default_factory=dict)
    blocks: dict[ImageOfTask, FeatureBlocks] = field(default_factory=dict)

    def without_tasks(self, tasks: Container[int]) -> Examples:
        """Return the examples of all other tasks."""
        return Examples(
            {image: reference for image, reference in self.references.items() if image.task not in tasks},
            {image: label for image, label in self.labels.items() if image.task not in tasks},
            {image: blocks for image, blocks in self.blocks.items() if image.task not in tasks},
        )

    def only(self, images: Iterable[ImageOfTask]) -> Examples:
        """Return the examples of some images, in their order."""
        image_list = list(images)
        return Examples(
            {image: self.references[image] for image in image_list},
            {image: self.labels[image] for image in image_list if image in self.labels},
            {image: self.blocks[image] for image in image_list if image in self.blocks},
        )

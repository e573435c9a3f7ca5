"""Examples: the labels of one control, image by image, in the terms of its head."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Examples", "ImageOfTask"]


@dataclass(frozen=True, order=True, slots=True)
class ImageOfTask:
    """One image of a task: of its Image tag called `to_name`, the page at this index (0 where the tag has no pages)."""

    task: int
    to_name: str
    page: int = 0


@dataclass
class Examples:
    """Labels of one control, image by image.

    Attributes
    ----------
    references : dict
        Image to its reference, as the task's data have it; empty where they have none.
    labels : dict
        Image to its label. Classes: an ndarray of soft labels; of Choices the share of annotators that chose each label, shape
        (k,); of a Taxonomy the share that came through each node of its `QuestionTree`, shape (m,). Numbers: a float. Objects:
        a list of `DrawnObject`, in the picture's own pixels.
    """

    references: dict[ImageOfTask, str] = field(default_factory=dict)
    labels: dict[ImageOfTask, Any] = field(default_factory=dict)

    def without_tasks(self, tasks: Container[int]) -> Examples:
        """Return the examples of all other tasks."""
        return Examples(
            {image: reference for image, reference in self.references.items() if image.task not in tasks},
            {image: label for image, label in self.labels.items() if image.task not in tasks},
        )

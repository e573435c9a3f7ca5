"""Gathering: groups the marks and answers of all files by the task images that they belong to."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sync.geometry.shapes import Size
from sync.regions.formats import Reading, read
from sync.regions.marks import Canvas, ImportedAnswer, Mark, MarkedImage, RegionsError
from sync.regions.problems import LeftOut
from sync.regions.task_image import TaskImage
from sync.regions.tasks import TaskIndex

__all__ = ["Gathering", "ImageRegions"]

NOWHERE = "no task has an image that contains the object"


@dataclass
class ImageRegions:
    """One image of a task with its marks and answers, each with the name of its file.

    Attributes
    ----------
    image : TaskImage
    marks : list of (str, Mark)
        Marks that belong to this image.
    placed_by_sky : list of (str, Mark)
        Marks that belong to this image only if it contains their sky position.
    answers : list of (str, ImportedAnswer)
    sources : list of (str, MarkedImage)
        The marked images that were matched to this image.
    """

    image: TaskImage
    marks: list[tuple[str, Mark]] = field(default_factory=list)
    placed_by_sky: list[tuple[str, Mark]] = field(default_factory=list)
    answers: list[tuple[str, ImportedAnswer]] = field(default_factory=list)
    sources: list[tuple[str, MarkedImage]] = field(default_factory=list)

    @property
    def size(self) -> Size | None:
        """The first size that a file states for the image, (width, height) in pixels; None if none does."""
        return next((marked_image.size for _, marked_image in self.sources if marked_image.size is not None), None)


class Gathering:
    """Reads files and assigns their marks and answers to task images.

    Parameters
    ----------
    index : TaskIndex
    left_out : LeftOut
        Collects the items that are left out.
    key : str
        One of `KEYS`: how images are matched.
    """

    def __init__(self, index: TaskIndex, left_out: LeftOut, *, key: str) -> None:
        self._index = index
        self._left_out = left_out
        self._key = key
        self._targets: dict[tuple[int, str, int], ImageRegions] = {}
        self._not_shown: dict[int, tuple[str, Mark]] = {}

    def add(self, file: Path, reading: Reading, *, format: str) -> None:
        """Read a file and assign the marks and answers of each of its images to a task image."""
        try:
            images, problems = read(file, reading, format=format)
        except RegionsError as error:
            self._left_out.add(str(file), "", str(error))
            return
        for name, reason in problems:
            self._left_out.add(str(file), name, reason)
        for marked_image in images:
            if marked_image.on_sky and self._key == "sky":
                self._place(str(file), marked_image.on_sky)
            elif self._goes_by_place(marked_image):
                self._place(str(file), marked_image.marks)
            else:
                self._match(str(file), marked_image)

    def targets(self, limit: int | None = None) -> list[ImageRegions]:
        """Return the task images with marks or answers, in the order of their tasks, of the first `limit` tasks if it is given.

        Marks that may be shown on the images of further tasks are not reported by `report_not_shown`.
        """
        targets = [self._targets[key] for key in sorted(self._targets)]
        tasks = set(sorted({target.image.task.id for target in targets})[:limit])
        for target in targets:
            if target.image.task.id not in tasks:
                for _, mark in target.placed_by_sky:
                    self._not_shown.pop(id(mark), None)
        return [target for target in targets if target.image.task.id in tasks]

    def find_shown(self, target: ImageRegions, canvas: Canvas) -> list[tuple[str, Mark]]:
        """Return the marks of an image, including those of `placed_by_sky` whose position lies on the image."""
        shown_marks = [(file, mark) for file, mark in target.placed_by_sky if _shows(canvas, mark)]
        for _, mark in shown_marks:
            self._not_shown.pop(id(mark), None)
        return target.marks + shown_marks

    def report_not_shown(self) -> None:
        """Report the marks whose sky position lies on no image."""
        for file, mark in self._not_shown.values():
            self._left_out.add(file, mark.name, NOWHERE)

    def _goes_by_place(self, marked_image: MarkedImage) -> bool:
        if self._key == "sky":
            return (
                not marked_image.answers
                and bool(marked_image.marks)
                and all(mark.position is not None for mark in marked_image.marks)
            )
        return self._key == "auto" and marked_image.by_place and self._index.find_exported(marked_image) is None

    def _match(self, file: str, marked_image: MarkedImage) -> None:
        try:
            image = self._index.find(marked_image, key=self._key)
        except RegionsError as error:
            if marked_image.on_sky and self._key == "auto":
                self._place(file, marked_image.on_sky)
                return
            lost_count = len(marked_image.marks) + len(marked_image.answers)
            self._left_out.add(file, marked_image.source, str(error), objects=max(lost_count, 1))
            return
        target = self._target(image)
        target.sources.append((file, marked_image))
        target.marks += [(file, mark) for mark in marked_image.marks]
        target.answers += [(file, answer) for answer in marked_image.answers]

    def _place(self, file: str, marks: tuple[Mark, ...]) -> None:
        positions = np.array([mark.position for mark in marks], np.float64).reshape(-1, 2)
        for mark, images in zip(marks, self._index.find_around(positions), strict=True):
            self._not_shown[id(mark)] = (file, mark)
            for image in images:
                self._target(image).placed_by_sky.append((file, mark))

    def _target(self, image: TaskImage) -> ImageRegions:
        return self._targets.setdefault(image.key, ImageRegions(image))


def _shows(canvas: Canvas, mark: Mark) -> bool:
    """Return whether the sky position of a mark lies on an image."""
    if canvas.sky is None or mark.position is None:
        return False
    ((x, y),) = canvas.sky.pixels(np.array([mark.position])).tolist()
    width, height = canvas.size
    return bool(-0.5 <= x <= width - 0.5 and -0.5 <= y <= height - 0.5)  # False for NaN

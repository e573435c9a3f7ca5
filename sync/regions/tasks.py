"""Matches marked images to task images: by content id, task number, file name, or sky position."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from sync.export.image_files import basename, exported_stem
from sync.label_studio.task_images import references_of
from sync.label_studio.tasks import Task
from sync.labelling.config import LabelConfig
from sync.regions.files import stem_of
from sync.regions.marks import MarkedImage, RegionsError
from sync.regions.task_image import TaskImage
from sync.regions.task_places import TaskPlaces

__all__ = ["KEYS", "TaskIndex"]

KEYS = ("auto", "filename", "content_id", "id", "sky")
ROLES = re.compile(
    r"[-_. ]?(seg|segm|segmap|segmentation|masks?|labels?|labelled|instances?|inst|regions?|cat|catalog(ue)?)$", re.I
)
"""Common suffixes of the names of files of regions, after the name of the image."""
_UPLOADED = re.compile(r"^[0-9a-f]{8}-(?=.)")
_EXPORTED = re.compile(r"^(\d{6,})(?:-(.+))?$")
_NAMED = 5
_MEANING = {
    "auto": "name or position",
    "filename": "file name",
    "content_id": "content id",
    "id": "number",
    "sky": "position",
}


@dataclass
class TaskIndex:
    """Index of the images of a project's tasks by name, content id, task number and sky position."""

    images: list[TaskImage] = field(default_factory=list)

    @classmethod
    def of(cls, tasks: Iterable[Task], config: LabelConfig) -> TaskIndex:
        """Return an index of the tasks' images that a control annotates."""
        names = list(dict.fromkeys(name for control in config.controls for name in control.to_names))
        images = []
        for task in tasks:
            places = [(name, page) for name in names for page in range(len(references_of(task.data, config, name)))]
            for number, (name, page) in enumerate(places):
                reference = references_of(task.data, config, name)[page]
                several = len(config.image_key) > 1 or config.paged_images
                stem = exported_stem(task.id, (name, page) if several else None, reference)
                images.append(TaskImage(task, (name, page), reference, first=number == 0, export_name=stem))
        return cls(images)

    def __post_init__(self) -> None:
        self._by_name: dict[str, list[TaskImage]] = defaultdict(list)
        self._by_stem: dict[str, list[TaskImage]] = defaultdict(list)
        self._by_content: dict[str, list[TaskImage]] = defaultdict(list)
        self._by_number: dict[int, list[TaskImage]] = defaultdict(list)
        self._by_exported = {image.export_name: image for image in self.images if image.export_name}
        for image in self.images:
            if image.first:
                self._by_number[image.task.id].append(image)
                if isinstance(content := image.task.data.get("content_id"), str) and content:
                    self._by_content[content].append(image)
            names = _names_of(image)
            for name in names:
                self._by_name[name].append(image)
            for stem in dict.fromkeys(stem_of(name) for name in names):
                self._by_stem[stem].append(image)
        self._sky: TaskPlaces | None = None

    def find(self, marked_image: MarkedImage, *, key: str = "auto") -> TaskImage:
        """Return the task image that matches a marked image.

        Parameters
        ----------
        marked_image : MarkedImage
        key : str
            One of `KEYS`. ``auto`` tries the content id, the file name and the sky position, in this order, and the task number
            if the image has neither a name nor a content id.

        Raises
        ------
        RegionsError
            If no image or several images match.
        """
        ways: dict[str, Callable[[MarkedImage], list[TaskImage]]] = {
            "content_id": self._of_content,
            "id": self._of_number,
            "filename": self._of_name,
            "sky": self._of_place,
        }
        order = ("content_id", "filename", "sky") if key == "auto" else (key,)
        exported_image = self.find_exported(marked_image)
        for way in order:
            if fitting := ways[way](marked_image):
                # A content id belongs to a task, which may have several images: the exported name identifies the image.
                return (
                    exported_image if exported_image is not None and exported_image.task is fitting[0].task else _only(fitting)
                )
        if (
            key == "auto"
            and not marked_image.names
            and not marked_image.content_id
            and (fitting := self._of_number(marked_image))
        ):
            return _only(fitting)
        raise RegionsError(f"no task of the project has the same {_MEANING[key]}")

    def find_exported(self, marked_image: MarkedImage) -> TaskImage | None:
        """Return the image from which `galaxyloop export` wrote the marked image; None if no name matches an exported name."""
        stems = (stem_of(name) for name in marked_image.names)
        return next((self._by_exported[stem] for stem in stems if stem in self._by_exported), None)

    def find_around(self, positions: NDArray[np.float64]) -> list[list[TaskImage]]:
        """Return, for each position, the images that may contain it: those within whose radius it lies.

        Parameters
        ----------
        positions : ndarray, shape (n, 2)
            Right ascension and declination, ICRS, degrees.
        """
        return self._places().around(positions)

    def _of_content(self, marked_image: MarkedImage) -> list[TaskImage]:
        contents = (marked_image.content_id,) if marked_image.content_id else tuple(map(stem_of, marked_image.names))
        return next((self._by_content[content] for content in contents if content in self._by_content), [])

    def _of_number(self, marked_image: MarkedImage) -> list[TaskImage]:
        if marked_image.task is not None:
            return self._by_number.get(marked_image.task, [])
        stems = [ROLES.sub("", stem_of(name)) for name in marked_image.names]
        return next((self._by_number[int(stem)] for stem in stems if stem.isdecimal() and int(stem) in self._by_number), [])

    def _of_name(self, marked_image: MarkedImage) -> list[TaskImage]:
        if (exported_image := self.find_exported(marked_image)) is not None:
            return [exported_image]
        for name in marked_image.names:
            base = _base(name)
            if base in self._by_name:
                return self._by_name[base]
        for name in marked_image.names:
            if fitting := self._of_stem(stem_of(name)):
                return fitting
        return []

    def _of_stem(self, stem: str) -> list[TaskImage]:
        if stem in self._by_stem:
            return self._by_stem[stem]
        if stem_match := _EXPORTED.fullmatch(stem):
            number, suffix = int(stem_match[1]), stem_match[2] or ""
            fitting = self._of_stem(suffix) or self._of_stem(_UPLOADED.sub("", suffix)) if suffix else []
            images_of_task = [image for image in self._by_number.get(number, []) if not suffix or image in fitting]
            return images_of_task or fitting
        bare = ROLES.sub("", stem)
        return self._of_stem(bare) if bare and bare != stem else []

    def _of_place(self, marked_image: MarkedImage) -> list[TaskImage]:
        return [] if marked_image.position is None else self._places().at(marked_image.position)

    def _places(self) -> TaskPlaces:
        if self._sky is None:
            self._sky = TaskPlaces(self.images)
        return self._sky


def _only(fitting: list[TaskImage]) -> TaskImage:
    if len(fitting) > 1:
        numbers = list(dict.fromkeys(image.task.id for image in fitting))
        numbers_text = ", ".join(map(str, numbers[:_NAMED])) + ", …" * (len(numbers) > _NAMED)
        raise RegionsError(f"several images of the project match (tasks {numbers_text})")
    return fitting[0]


def _names_of(image: TaskImage) -> list[str]:
    """Return the file names of an image: `filename` in the task's data, and that of its reference with and without prefix."""
    original = image.task.data.get("filename") if image.first else None
    file_name = _base(basename(image.reference))
    names = [original if isinstance(original, str) else "", file_name, _UPLOADED.sub("", file_name)]
    return list(dict.fromkeys(_base(name) for name in names if name))


def _base(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).name

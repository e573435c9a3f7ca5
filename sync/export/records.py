"""The annotated objects and answers of one image, as frozen dataclasses.

A *record* is an image with the annotations that remain after consensus.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sync.controls.region import Region
from sync.errors.images import ImageError
from sync.export.drawn_objects import DrawnObject, Provenance
from sync.export.image_files import ImageFile
from sync.export.sky import Sky
from sync.geometry.shapes import Size

__all__ = ["Answer", "ParsedAnnotation", "Record"]


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """Classes, taxonomy paths or a number for the whole image.

    Attributes
    ----------
    control : str
        Name of the control.
    labels : tuple of str
        Classes of Choices, or paths of a Taxonomy joined by slashes; empty for a Number.
    number : float or None
        Value of a Number, in the unit of the project.
    probability : float or None
        Probability of the labels, as in `DrawnObject`.
    provenance : Provenance
    region : dict
        Region as Label Studio stores it.
    """

    control: str
    labels: tuple[str, ...]
    number: float | None
    probability: float | None
    provenance: Provenance
    region: Region


@dataclass(frozen=True, slots=True, eq=False)
class ParsedAnnotation:
    """The objects and answers of one annotation, or the consensus of several.

    Attributes
    ----------
    number : int or None
        Number of the annotation; None after consensus.
    annotator : int or None
        Number of the annotator; None after consensus, and if Label Studio states none.
    time : str
        Time of the last change, ISO 8601.
    objects : tuple of DrawnObject
    answers : tuple of Answer
    regions : tuple of dict
        All valid regions in Label Studio's order, including those of controls that the export does not read.
    fields : mapping
        The other fields of the annotation as Label Studio stores them.
    """

    number: int | None
    annotator: int | None
    time: str
    objects: tuple[DrawnObject, ...] = ()
    answers: tuple[Answer, ...] = ()
    regions: tuple[Region, ...] = ()
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """One image of the data set: a task, or one of the images of a task.

    Attributes
    ----------
    task : int
        Number of the task.
    data : mapping
        The task's data.
    reference : str
        Reference of the image in the task's data.
    size : (width, height) or None
        Size of the image, pixels: that of the file, else that of the annotations; None if it is unknown.
    sky : Sky
    split : str
    annotations : tuple of ParsedAnnotation
        One annotation, except for the consensus `all`.
    image_file : ImageFile, ImageError or None
        The image file, or the error if it cannot be read; None if the format does not contain images.
    number : int
        Number of the image in the data set: the task's number where each task has one image.
    image : (str, int) or None
        Name of the Image tag and number of the page, from 0; None where each task has one image.
    """

    task: int
    data: Mapping[str, Any]
    reference: str
    size: Size | None
    sky: Sky
    split: str
    annotations: tuple[ParsedAnnotation, ...]
    image_file: ImageFile | ImageError | None = None
    number: int = 0
    image: tuple[str, int] | None = None

    @property
    def objects(self) -> tuple[DrawnObject, ...]:
        """Objects of all annotations."""
        return tuple(obj for annotation in self.annotations for obj in annotation.objects)

    @property
    def answers(self) -> tuple[Answer, ...]:
        """Answers of all annotations."""
        return tuple(answer for annotation in self.annotations for answer in annotation.answers)

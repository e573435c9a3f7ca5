"""Parses the annotations of a task: validated objects and answers of each annotator, in pixels.

Annotations and regions that cannot be read are reported and left out; the rest of the annotation and of the task is kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import numpy as np

from sync.controls import SHAPES
from sync.controls.region import Region, read_size
from sync.errors.controls import ControlError, OutsideError, quote
from sync.errors.failures import reason_of_item
from sync.export.drawn_objects import DrawnObject, Provenance
from sync.export.reading.origins import ACCEPTED, DRAWN, EDITED, states_of
from sync.export.records import Answer, ParsedAnnotation
from sync.geometry.footprint import Footprint
from sync.geometry.shapes import Box, Labelled, Point, Size
from sync.labelling.config import Control, LabelConfig, join_path
from sync.labelling.reading import read_region

__all__ = ["MAX_STATED_PIXELS", "ReportProblem", "parse_annotations", "shape_regions", "stated_size"]

MAX_STATED_PIXELS = 25_000_000
"""Largest image whose size is only stated and whose outlines are filled: without the file, any size could be stated."""


class ReportProblem(Protocol):
    """Interface for reports of items that are left out; `Problems.add` implements it."""

    def __call__(self, reason: str, *, task: object, annotation: object = None, region: object = None) -> None:
        """Report one item."""


def parse_annotations(
    task: Mapping[str, Any], config: LabelConfig, *, report: ReportProblem, size: Size | None = None
) -> list[ParsedAnnotation]:
    """Read the submitted annotations of a task, ordered by time; skipped ones are left out.

    Parameters
    ----------
    task : mapping
        As `split_by_image` yields it.
    config : LabelConfig
        Labelling config of the project.
    report : callable
        Called with a sentence for each annotation and region that is left out.
    size : (width, height), optional
        Size of the task's image, pixels. Default: the size in its regions, with outlines up to `MAX_STATED_PIXELS`.
    """
    annotations = []
    if size is None:
        size = stated_size(task, config)
        if size is not None and size[0] * size[1] > MAX_STATED_PIXELS and _has_outlines(task, config):
            report(
                f"the image is left out: it cannot be read, and the {size[0]}x{size[1]} pixels that its regions state are more "
                f"than {MAX_STATED_PIXELS:,}",
                task=task.get("id"),
            )
            return []
    for item in task.get("annotations") or []:
        number = item.get("id") if isinstance(item, Mapping) else None
        try:
            if not isinstance(item, Mapping) or isinstance(number, bool) or not isinstance(number, int):
                raise ControlError(f"an annotation must be an object with a number, not {quote(item)}")
            if item.get("was_cancelled"):
                continue
            annotation = _AnnotationReader(task.get("id"), item, config, report, size).read()
        except Exception as error:
            report(str(reason_of_item(error)), task=task.get("id"), annotation=number)
            continue
        annotations.append(annotation)
    return sorted(annotations, key=lambda annotation: (annotation.time, annotation.number or 0))


def shape_regions(task: Mapping[str, Any], config: LabelConfig) -> Iterator[Mapping[str, Any]]:
    """Yield the regions with shapes of a task's submitted annotations, not validated."""
    for item in task.get("annotations") or []:
        result = item.get("result") if isinstance(item, Mapping) and not item.get("was_cancelled") else None
        for region in result if isinstance(result, list) else []:
            control = config.control(region.get("from_name")) if isinstance(region, Mapping) else None
            if control is not None and control.marks_objects:
                yield region


def _has_outlines(task: Mapping[str, Any], config: LabelConfig) -> bool:
    controls = (config.control(region.get("from_name")) for region in shape_regions(task, config))
    return any(control is not None and SHAPES[control.tag].SHAPE not in (Box, Point) for control in controls)


def stated_size(task: Mapping[str, Any], config: LabelConfig) -> Size | None:
    """Return the first image size, (width, height) in pixels, that a region of the task states; None if none does."""
    for region in shape_regions(task, config):
        try:
            return read_size(region)
        except ControlError:
            continue
    return None


class _AnnotationReader:
    """Reads one annotation; `size` is that of the task's image, None if it is unknown."""

    def __init__(
        self, task: object, item: Mapping[str, Any], config: LabelConfig, report: ReportProblem, size: Size | None
    ) -> None:
        self._task = task
        self._item = item
        self._config = config
        self._report = report
        self._size = size
        person = item.get("completed_by")
        person = person.get("id") if isinstance(person, Mapping) else person
        self._annotator = person if isinstance(person, int) and not isinstance(person, bool) else None

    def read(self) -> ParsedAnnotation:
        result, time = self._item.get("result"), self._item.get("updated_at")
        if result is None:
            result = []
        if not isinstance(result, list):
            raise ControlError(f"an annotation's result must be a list of regions, not {quote(result)}")
        if not isinstance(time, str):
            raise ControlError(f"an annotation's updated_at must be a time, not {quote(time)}")
        objects: list[DrawnObject] = []
        answers: list[Answer] = []
        regions: list[Region] = []
        for region, state in zip(result, self._item.get("states") or states_of(result, None), strict=True):
            try:
                for read in self._read(region, state):
                    (objects if isinstance(read, DrawnObject) else answers).append(read)  # type: ignore[arg-type]
                regions.append(region)
            except Exception as error:
                if isinstance(error, OutsideError):
                    regions.append(region)  # Label Studio's own JSON keeps it
                name = region.get("id") if isinstance(region, Mapping) else None
                self._report(str(reason_of_item(error)), task=self._task, annotation=self._item["id"], region=name)
        return ParsedAnnotation(
            number=self._item["id"],
            annotator=self._annotator,
            time=time,
            objects=tuple(objects),
            answers=tuple(answers),
            regions=tuple(regions),
            fields={key: value for key, value in self._item.items() if key != "result"},
        )

    def _read(self, region: Any, state: str) -> Iterator[DrawnObject | Answer]:
        """Yield the objects or the answer of a region; nothing for a control that the export does not read."""
        if not isinstance(region, Mapping):
            raise ControlError(f"a region must be an object, not {quote(region)}")
        control = self._config.control(region.get("from_name"))
        if control is None:
            return
        if control.marks_objects and self._size is None:
            raise ControlError("the size of the image is unknown: its file cannot be read, and no region states a size")
        answer = read_region(region, control, size=self._size)
        if not control.marks_objects:
            yield self._answer(region, control, answer, state)
        else:
            yield from self._objects(region, control, answer, state)

    def _answer(self, region: Mapping[str, Any], control: Control, answer: Any, state: str) -> Answer:
        number, labels = (answer, ()) if isinstance(answer, float) else (None, answer)
        labels = tuple(label if isinstance(label, str) else join_path(label) for label in labels)
        return Answer(control.name, labels, number, _score(region, state), self._provenance(state), dict(region))

    def _objects(self, region: Mapping[str, Any], control: Control, answer: Labelled[Any], state: str) -> Iterator[DrawnObject]:
        if not answer.positive:
            raise ControlError("a point outside the object is a prompt, not an object")
        shape = Footprint.of_mask(answer.shape) if isinstance(answer.shape, np.ndarray) else answer.shape
        for label in answer.labels:
            obj = DrawnObject(
                id=str(region.get("id") or ""),
                control=control.name,
                label=label,
                shape=shape,
                size=answer.size,
                probability=_score(region, state),
                provenance=self._provenance(state),
                region=dict(region),
            )
            obj.check_inside()  # here, where the caller reports the region's id
            yield obj

    def _provenance(self, state: str) -> Provenance:
        is_predicted = state != DRAWN
        return Provenance(
            made_by="model" if is_predicted else "human",
            state=state if state in (ACCEPTED, DRAWN) else EDITED,
            version=str(self._item.get("parent_version") or "") if is_predicted else "",
            annotators=() if self._annotator is None else (self._annotator,),
            annotations=(self._item["id"],),
            time=str(self._item["updated_at"]),
        )


def _score(region: Mapping[str, Any], state: str) -> float | None:
    """Return the model's score of the class; None if the annotator changed the class, although Label Studio keeps the score."""
    score = region.get("score")
    if state not in (ACCEPTED, EDITED) or isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 1:
        return None
    return float(score)

"""Splits tasks with several images: in a data set each Image tag and each page is a separate image with its own file.

A task with one image is unchanged. Of other tasks, each part is the task with the regions on one of its images; answers about
the whole task, such as a class, belong to the first part.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from sync.errors.controls import ControlError
from sync.export.drawn_objects import DrawnObject
from sync.export.reading.annotations import ReportProblem
from sync.export.reading.origins import states_of
from sync.export.records import Answer, ParsedAnnotation
from sync.label_studio.task_images import image_of_region, images_of_control, place_region, reference_of_image, references_of
from sync.labelling.config import LabelConfig

__all__ = ["assign_image", "image_of_task", "is_first", "join_parts", "number_of", "reference_of", "split_by_image"]

Image = tuple[str, int]
"""Name of an Image tag and number of a page, from 0."""
_PART = "image"
"""Key of a part of a task that identifies its image."""


def split_by_image(
    tasks: Iterable[Mapping[str, Any]], config: LabelConfig, *, report: ReportProblem
) -> Iterator[Mapping[str, Any]]:
    """Yield tasks image by image.

    Parameters
    ----------
    tasks : iterable of mapping
        As `with_parents` returns them.
    config : LabelConfig
    report : callable
        Called with a sentence for each region that lies on no image of its task.

    Yields
    ------
    mapping
        The task, or its part for one image.
    """
    if len(config.image_key) < 2 and not config.paged_images:
        yield from tasks
        return
    number = 0
    for task in tasks:
        for place, (image, annotations_of_image) in enumerate(_parts(task, config, report).items()):
            number += 1
            part = {"to_name": image[0], "page": image[1], "number": number, "first": place == 0}
            yield {**task, "annotations": annotations_of_image, _PART: part}


def image_of_task(task: Mapping[str, Any], config: LabelConfig) -> Image:
    """Return the image of a task or of a part of it; for a whole task, the first image that a control annotates."""
    part = task.get(_PART)
    if isinstance(part, Mapping):
        return str(part["to_name"]), int(part["page"])
    return next((control.to_name for control in config.controls), next(iter(config.image_key), "")), 0


def number_of(task: Mapping[str, Any]) -> int:
    """Return the number of an image in the data set: the task's number where each task has one image."""
    part = task.get(_PART)
    return int(part["number"]) if isinstance(part, Mapping) else int(task["id"])


def is_first(task: Mapping[str, Any]) -> bool:
    """Return whether this is a whole task or the first part of one."""
    part = task.get(_PART)
    return bool(part["first"]) if isinstance(part, Mapping) else True


def reference_of(task: Mapping[str, Any], config: LabelConfig) -> str:
    """Return the reference of the image of a task or of a part of it; empty if it is missing."""
    data = task.get("data")
    return reference_of_image(data if isinstance(data, Mapping) else {}, config, image_of_task(task, config))


def assign_image(annotations_of_image: Iterable[ParsedAnnotation], config: LabelConfig, image: Image) -> list[ParsedAnnotation]:
    """Return annotations whose regions name their image.

    Regions that consensus created name the first image of their control; the function sets `image` there.
    """
    return [
        annotation if annotation.number is not None else _assign(annotation, config, image)
        for annotation in annotations_of_image
    ]


def join_parts(parts: Iterable[tuple[ParsedAnnotation, ...]]) -> list[ParsedAnnotation]:
    """Join the parts of the annotations of one task, which lie on different images."""
    joined_parts: dict[tuple[int | None, int], ParsedAnnotation] = {}
    for part in parts:
        for place, annotation in enumerate(part):
            key = (annotation.number, place if annotation.number is None else 0)
            earlier = joined_parts.get(key)
            joined_parts[key] = annotation if earlier is None else _join(earlier, annotation)
    return list(joined_parts.values())


def _join(first: ParsedAnnotation, second: ParsedAnnotation) -> ParsedAnnotation:
    regions = (*first.regions, *second.regions)
    return replace(first, objects=first.objects + second.objects, answers=first.answers + second.answers, regions=regions)


def _assign(annotation: ParsedAnnotation, config: LabelConfig, image: Image) -> ParsedAnnotation:
    def place_object(obj: DrawnObject) -> DrawnObject:
        return replace(obj, region=place_region(obj.region, config, image))

    def place_answer(answer: Answer) -> Answer:
        control = config.control(answer.control)
        each = control is not None and control.per_item
        return replace(answer, region=place_region(answer.region, config, image)) if each else answer

    objects, answers = tuple(map(place_object, annotation.objects)), tuple(map(place_answer, annotation.answers))
    regions = (*(answer.region for answer in answers), *(obj.region for obj in objects))
    return replace(annotation, objects=objects, answers=answers, regions=regions)


def _parts(task: Mapping[str, Any], config: LabelConfig, report: ReportProblem) -> dict[Image, list[Any]]:
    """Map each image that the task's annotations cover to the annotations with the regions on it."""
    data = task.get("data")
    data = data if isinstance(data, Mapping) else {}
    images = [(name, page) for name in config.image_key for page in range(len(references_of(data, config, name)))]
    first = image_of_task(task, config)
    images_of_annotations = {
        image for control in config.controls if control.marks_objects for image in images_of_control(data, config, control)
    } or {first}
    parts: dict[Image, list[Any]] = {}
    for annotation in task.get("annotations") or []:
        result = annotation.get("result") if isinstance(annotation, Mapping) else None
        if not isinstance(result, list) or annotation.get("was_cancelled"):
            parts.setdefault(first, []).append(annotation)
            continue
        on_images, loose, draws = _sort_by_image(task, annotation, config, set(images), report)
        # As in training: an annotation that began from a prediction, or has no object, covers all annotated images.
        if annotation.get("parent_prediction") is not None or not draws:
            on_images |= {image: [] for image in images_of_annotations if image not in on_images}
        order = [image for image in images if image in on_images] or [first]
        states = annotation.get("states") or states_of(result, None)
        for place, image in enumerate(order):
            numbers = [*(loose if place == 0 else []), *on_images.get(image, [])]
            part = {**annotation, "result": [result[number] for number in sorted(numbers)]}
            part["states"] = [states[number] for number in sorted(numbers)]
            parts.setdefault(image, []).append(part)
    return {image: parts[image] for image in dict.fromkeys((*images, first)) if image in parts}


def _sort_by_image(
    task: Mapping[str, Any], annotation: Mapping[str, Any], config: LabelConfig, images: set[Image], report: ReportProblem
) -> tuple[dict[Image, list[int]], list[int], bool]:
    """Return the indices of an annotation's regions on each image and on no image, and whether it has a region of an object."""
    on_images: dict[Image, list[int]] = {}
    loose: list[int] = []
    draws = False
    for number, region in enumerate(annotation["result"]):
        control = config.control(region.get("from_name")) if isinstance(region, Mapping) else None
        if control is None:
            loose.append(number)
            continue
        draws = draws or control.marks_objects
        try:
            image = image_of_region(region, control, config)
            if image not in images:
                raise ControlError(f"the region lies on page {image[1] + 1} of {image[0]!r}, which the task does not have")
            on_images.setdefault(image, []).append(number)
        except ControlError as error:
            report(str(error), task=task.get("id"), annotation=annotation.get("id"), region=region.get("id"))
    return on_images, _with_relations(loose, annotation["result"], on_images), draws


def _with_relations(loose: list[int], result: list[Any], on_images: dict[Image, list[int]]) -> list[int]:
    """Add each relation to the image of the region that it starts from; return the indices of the regions on no image."""
    image_of = {result[number].get("id"): image for image, numbers in on_images.items() for number in numbers}
    remaining_regions = []
    for number in loose:
        region = result[number]
        begins = region.get("from_id") if isinstance(region, Mapping) and region.get("type") == "relation" else None
        if isinstance(begins, str) and begins in image_of:
            on_images[image_of[begins]].append(number)
        else:
            remaining_regions.append(number)
    return remaining_regions

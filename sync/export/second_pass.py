"""The second pass over a project's annotations builds the records, image by image, that the writers write."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from sync.errors.controls import ControlError
from sync.errors.failures import attempt, reason_of_item
from sync.errors.images import ImageError
from sync.errors.sky import SkyError
from sync.export import WITH_IMAGES, WITHOUT_PIXELS
from sync.export.consensus.consensus import Decision
from sync.export.image_files import ImageFile
from sync.export.merging import merge_boxes
from sync.export.plan import Plan
from sync.export.reading.annotations import ReportProblem, parse_annotations
from sync.export.reading.images import assign_image, image_of_task, number_of, reference_of
from sync.export.reading.sizes import report_stated
from sync.export.reading.sky import SkyReader
from sync.export.records import Record
from sync.export.sky import NOWHERE
from sync.export.splits import Splitting
from sync.geometry.shapes import Size

__all__ = ["ONLY_SPLIT", "build_records"]

ONLY_SPLIT = "train"


def build_records(
    tasks: Iterable[tuple[Mapping[str, Any], ImageFile | ImageError | None, Size | None]],
    plan: Plan,
    *,
    decide: Decision,
    splitting: Splitting | None,
    sky_of: SkyReader,
    report: ReportProblem,
) -> Iterator[Record]:
    for task, image_file, size in tasks:
        make = partial(
            _build_record, task, image_file, size, plan, decide=decide, splitting=splitting, sky_of=sky_of, report=report
        )
        record = attempt(make)
        if isinstance(record, ImageError):
            report(f"the task is left out: {record}", task=task.get("id"))
        elif record is not None:
            yield record


def _build_record(
    task: Mapping[str, Any],
    image_file: ImageFile | ImageError | None,
    size: Size | None,
    plan: Plan,
    *,
    decide: Decision,
    splitting: Splitting | None,
    sky_of: SkyReader,
    report: ReportProblem,
) -> Record | None:
    """Return the record of a task; None if the task is left out."""
    config = plan.config
    number, data = int(task["id"]), task.get("data")
    data = data if isinstance(data, Mapping) else {}
    parsed_annotations = parse_annotations(task, config, report=report, size=size)
    if not parsed_annotations:
        return None
    if plan.format not in WITHOUT_PIXELS:
        _report_sizes(task, plan, image_file, size, report=report)
    try:
        annotations = assign_image(decide(number_of(task), parsed_annotations), config, image_of_task(task, config))
    except ControlError as error:
        report(f"the consensus cannot be computed: {error}", task=number)
        return None
    if plan.objects == "merged" and plan.format not in WITHOUT_PIXELS:
        annotations = [merge_boxes(annotation) for annotation in annotations]
    try:
        sky = sky_of(task)
    except Exception as error:
        reason = error if isinstance(error, SkyError) else reason_of_item(error)
        report(f"the position on the sky is left out: {reason}", task=number)
        sky = NOWHERE
    for distortion in sky.celestial.omissions if sky.celestial is not None else ():
        report(f"positions on the sky are less exact: {distortion}", task=number)
    for fault in sky.faults:
        report(f"a number of the position on the sky is left out: {fault}", task=number)
    return Record(
        task=number,
        data=data,
        reference=reference_of(task, config),
        size=size or next((obj.size for annotation in annotations for obj in annotation.objects), None),
        sky=sky,
        split=splitting.split_of[number] if splitting else ONLY_SPLIT,
        annotations=tuple(annotations),
        image_file=image_file if plan.format in WITH_IMAGES else None,
        number=number_of(task),
        image=image_of_task(task, config) if len(config.image_key) > 1 or config.paged_images else None,
    )


def _report_sizes(
    task: Mapping[str, Any], plan: Plan, image_file: ImageFile | ImageError | None, size: Size | None, *, report: ReportProblem
) -> None:
    """Report an image file whose size differs from that in the annotations, or that is missing."""
    if size is not None:
        report_stated(task, plan.config, size=size, report=report)
    elif isinstance(image_file, ImageError) and plan.format not in WITH_IMAGES:  # the others report each missing image
        report(f"the image is missing, so its size is that in the annotations: {image_file}", task=task.get("id"))

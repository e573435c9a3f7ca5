"""Runs an import of regions: reads files, matches their images to tasks, and stores the regions batch by batch."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sync.controls.region import Region
from sync.errors.images import ImageError
from sync.export.image_files import ImageFile, ImageFiles
from sync.label_studio.client import LabelStudioClient
from sync.label_studio.task_images import place_region
from sync.label_studio.tasks import read_tasks
from sync.labelling.config import LabelConfig
from sync.regions.canvases import canvas_of
from sync.regions.fitting import RegionFitter
from sync.regions.formats import Reading
from sync.regions.gathering import Gathering, ImageRegions
from sync.regions.marks import Canvas, RegionsError
from sync.regions.problems import LeftOut
from sync.regions.region_ids import unique_ids
from sync.regions.storing import Results, store_annotations, store_predictions
from sync.regions.tasks import TaskIndex

__all__ = ["ImportPlan", "RegionReport", "import_regions"]

TASKS_A_BATCH = 5000
"""Label Studio counts all predictions of a project at each import, so few large batches are faster."""
BYTES_A_BATCH = 64 * 2**20
"""Size of the regions as JSON from which a batch is stored."""


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """Options of an import.

    Attributes
    ----------
    project : int
        Number of the project.
    config : LabelConfig
    model : str
        Model version of the predictions that the regions become; empty for annotations.
    format : str
        See `formats.read`.
    key : str
        One of `KEYS`; see `TaskIndex.find`.
    control, label : str
        See `RegionFitter`.
    reading : Reading
    """

    project: int
    config: LabelConfig
    model: str = ""
    format: str = "auto"
    key: str = "auto"
    control: str = ""
    label: str = ""
    reading: Reading = field(default_factory=Reading)


@dataclass
class RegionReport:
    """Result of an import.

    Attributes
    ----------
    objects, answers : int
        Numbers of regions that were created for objects and for answers.
    new_tasks, known_tasks : int
        Numbers of tasks whose regions were stored by this import, and of tasks that already had them.
    changed_regions : Counter
        See `RegionFitter`.
    left_out : LeftOut
    """

    objects: int = 0
    answers: int = 0
    new_tasks: int = 0
    known_tasks: int = 0
    changed_regions: Counter[tuple[str, str]] = field(default_factory=Counter)
    left_out: LeftOut = field(default_factory=LeftOut)


def import_regions(
    files: Sequence[Path],
    plan: ImportPlan,
    *,
    client: LabelStudioClient,
    image_files: ImageFiles,
    limit: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> RegionReport:
    """Import the regions of files.

    Parameters
    ----------
    files : sequence of Path
        Files, and folders of YOLO data sets.
    plan : ImportPlan
    client : LabelStudioClient
    image_files : ImageFiles
        Fetches the images of tasks, since Label Studio stores regions in percent of the image size.
    limit : int, optional
        Number of tasks, in the order of their numbers; all by default.
    progress : callable, optional
        Called with the number of processed images and the total number.

    Returns
    -------
    Report

    Raises
    ------
    RegionsError
        If the config does not have the control or label of the plan.
    LabelStudioError
        If Label Studio rejects a request or does not respond. Another run continues the import.
    """
    fitting = RegionFitter(plan.config, control=plan.control, label=plan.label, has_scores=bool(plan.model))
    report = RegionReport(changed_regions=fitting.changed_regions)
    gathering = Gathering(TaskIndex.of(read_tasks(client, plan.project), plan.config), report.left_out, key=plan.key)
    for file in files:
        gathering.add(file, plan.reading, format=plan.format)
    maker = _Maker(plan, fitting, gathering, report)
    targets = gathering.targets(limit)
    results: Results = {}
    size = 0
    for number, (target, image_file) in enumerate(
        image_files.prefetch(targets, lambda target: target.image.reference or None), start=1
    ):
        task = target.image.task.id
        if results and task not in results and (len(results) >= TASKS_A_BATCH or size >= BYTES_A_BATCH):
            _store(client, plan, results, report)
            results, size = {}, 0
        regions = maker.regions(target, image_file)
        if regions is not None:
            results.setdefault(task, []).extend(regions)
            size += len(json.dumps(regions))
        if progress is not None:
            progress(number, len(targets))
    _store(client, plan, results, report)
    gathering.report_not_shown()
    return report


class _Maker:
    """Creates the regions of one image at a time, and reports marks and answers that cannot be converted."""

    def __init__(self, plan: ImportPlan, fitting: RegionFitter, gathering: Gathering, report: RegionReport) -> None:
        self._plan = plan
        self._fitting = fitting
        self._gathering = gathering
        self._report = report

    def regions(self, target: ImageRegions, image_file: ImageFile | ImageError | None) -> list[Region] | None:
        """Return the regions of an image; None if there is nothing to store. An empty list is stored as an empty annotation."""
        number = target.image.task.id
        try:
            canvas = canvas_of(target, image_file)
        except RegionsError as error:
            files = {file for file, _ in (*target.marks, *target.placed_by_sky, *target.answers)}
            for file in sorted(files):
                self._report.left_out.add(file, f"task {number}", str(error))
            return None
        if not self._have_its_size(target, canvas):
            return None
        regions = self._objects(target, canvas) + self._answers(target)
        is_empty = bool(target.sources) and not any(
            marked_image.marks or marked_image.answers for _, marked_image in target.sources
        )
        return regions if regions or (is_empty and not target.placed_by_sky and not self._plan.model) else None

    def _objects(self, target: ImageRegions, canvas: Canvas) -> list[Region]:
        regions: list[Region] = []
        for file, mark in self._gathering.find_shown(target, canvas):
            try:
                region = self._fitting.object_region(mark, canvas, image=target.image.image[0])
            except RegionsError as error:
                self._report.left_out.add(file, f"{mark.name} (task {target.image.task.id})", str(error))
            else:
                regions.append(place_region(region, self._plan.config, target.image.image))
        self._report.objects += len(regions)
        return regions

    def _answers(self, target: ImageRegions) -> list[Region]:
        region_of: dict[str, Region] = {}
        for file, answer in target.answers:
            try:
                region = self._fitting.answer_region(answer)
                before = region_of.setdefault(region["from_name"], region)
                if before["value"] != region["value"]:
                    raise RegionsError(f"an earlier answer to {region['from_name']!r} differs and is kept")
            except RegionsError as error:
                self._report.left_out.add(file, f"{answer.name} (task {target.image.task.id})", str(error))
        self._report.answers += len(region_of)
        return list(region_of.values())

    def _have_its_size(self, target: ImageRegions, canvas: Canvas) -> bool:
        """Remove and report the marks of files that state another image size; return whether there is still data to store."""
        for file, marked_image in target.sources:
            if marked_image.size is not None and marked_image.size != canvas.size:
                theirs, ours = ("x".join(map(str, size)) for size in (marked_image.size, canvas.size))
                reason = f"its image has {theirs} pixels, and the image of task {target.image.task.id} has {ours}"
                self._report.left_out.add(file, marked_image.source, reason, objects=max(len(marked_image.marks), 1))
                dropped_marks = set(map(id, marked_image.marks))
                target.marks[:] = [(file, mark) for file, mark in target.marks if id(mark) not in dropped_marks]
        return bool(target.marks or target.placed_by_sky or target.answers) or all(
            marked_image.size in (None, canvas.size) for _, marked_image in target.sources
        )


def _store(client: LabelStudioClient, plan: ImportPlan, results: Results, report: RegionReport) -> None:
    if not results:
        return
    results = {task: unique_ids(regions) for task, regions in results.items()}
    if plan.model:
        outcome = store_predictions(client, plan.project, results, model=plan.model)
    else:
        outcome = store_annotations(client, plan.project, results)
    report.new_tasks += len(outcome.new_tasks)
    report.known_tasks += len(outcome.known_tasks)
    for task, reason in outcome.refused_tasks.items():
        report.left_out.add(f"task {task}", "", reason)

"""Runs one export: two passes over the annotated tasks, and an atomic write of the output folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from sync.controls import CONTROLS, Kind
from sync.errors.controls import ControlError
from sync.errors.failures import LONGEST_REASON, RunError, WrongCallError, attempt, reason_of_item
from sync.errors.images import ImageError
from sync.errors.sky import SkyError
from sync.export import KINDS_OF_FORMAT, ON_SKY, WHOLE_IMAGE, WITH_IMAGES, WITHOUT_PIXELS, writer
from sync.export.capabilities import drop_unsupported, formats_with, report_foreign
from sync.export.card import CARD_FILE, Facts, data_card
from sync.export.class_numbers import keep_numbers, number_labels
from sync.export.consensus.agreement import class_agreement
from sync.export.consensus.consensus import CONSENSUS, Decision
from sync.export.data_columns import MOST_COLUMNS
from sync.export.dataset import Dataset
from sync.export.first_pass import FirstPass, first_pass, is_read
from sync.export.merging import merged
from sync.export.pictures import Picture, Pictures
from sync.export.plan import ExportError, Plan, Summary
from sync.export.problems import Problems
from sync.export.reading.images import image_of_task, number_of, placed, reference_of, split_by_image
from sync.export.reading.left_prompts import without_prompts
from sync.export.reading.sizes import SizedTasks, report_stated
from sync.export.reading.sky import SkyReader
from sync.export.reading.spool import Spool
from sync.export.reading.statements import ANSWERING_TAGS, Report, read_statements
from sync.export.records import Record
from sync.export.sky import NOWHERE
from sync.export.splits import Splitting, split_tasks
from sync.export.tally import Tally
from sync.export.task_list import TaskList
from sync.files.atomic import atomic_folder
from sync.geometry.shapes import Size
from sync.labelling.config import LabelConfig

__all__ = ["ExportError", "Plan", "Summary", "export"]

ONLY_SPLIT = "train"


class OutputTakenError(WrongCallError, ExportError):
    """The output folder is not empty."""


def export(
    tasks: Iterable[Mapping[str, Any]],
    output: Path,
    *,
    plan: Plan,
    pictures: Pictures,
    watch: Callable[[Iterator[Record], int], Iterator[Record]] = lambda records, _total: records,
) -> Summary:
    """Export a project.

    Parameters
    ----------
    tasks : iterable of mapping
        As `read_annotated` yields them; iterated once.
    output : Path
        A folder that does not exist or is empty.
    plan : Plan
    pictures : Pictures
        Fetches images if the format contains them, if shapes need the size of an image, or if a FITS file has a WCS.
    watch : callable, optional
        Called with an iterator of records and the number of images; returns an iterator of the same records. Used to show
        progress.

    Returns
    -------
    Summary
        Counts of the written data set.

    Raises
    ------
    ExportError
        If `output` is not empty or cannot be written, or if there is nothing to export.
    ImportError
        If a package that the format needs is not installed; `missing_packages` lists such packages.
    """
    writer(plan.format)  # raises ImportError before tasks are read
    with ExitStack() as stack:
        folder = _open_output(output, stack)
        spool, problems = stack.enter_context(Spool(folder)), stack.enter_context(Problems(folder))
        answered = without_prompts(tasks, plan.config, report=problems.add)
        if not spool.fill(split_by_image(answered, plan.config, report=problems.add)):
            raise ExportError(f"project {plan.project} has no annotation to export")
        sky_of = SkyReader(plan.config, pictures, wanted=plan.format in ON_SKY)
        places = SkyReader(plan.config, pictures, wanted=True).quietly if plan.fractions else None
        sized = SizedTasks(pictures, plan.config, format=plan.format)
        looked_at = sized.sizes(spool, wanted=lambda task: is_read(task, places=places is not None))
        found = first_pass(looked_at, plan.config, sky_of=places)
        splitting = split_tasks(found.places, plan.fractions, seed=plan.seed) if plan.fractions else None
        tally = Tally()
        task_list = stack.enter_context(TaskList(folder, found.data_columns.columns(), format=plan.format))

        def note_written(record: Record) -> None:
            tally.add(record)
            task_list.add(record)

        dataset = Dataset(
            project=plan.project,
            title=plan.title,
            labels=number_labels(_labels(plan.config, found), plan.class_numbers),
            keypoint_labels=_keypoint_labels(plan.config),
            kinds=frozenset(found.kinds),
            outlined=frozenset(found.outlined),
            data_columns=found.data_columns.columns(),
            splits=tuple(plan.fractions or (ONLY_SPLIT,)),
            report=problems.add,
            on_written=note_written,
        )
        _check_something_fits(plan, dataset)
        if found.data_columns.dropped:
            kept = f"a data set carries {MOST_COLUMNS} columns along"
            reason = f"{found.data_columns.dropped:,} values of the tasks' data are left out: {kept}"
            problems.add(reason, task=None)
        decide = CONSENSUS[plan.consensus](found.votes, plan.config)
        tasks_with_pictures = sized.pictures(spool)
        records = _records(tasks_with_pictures, plan, decide=decide, splitting=splitting, sky_of=sky_of, report=problems.add)
        records = drop_unsupported(records, format=plan.format, report=problems.add)
        _write(watch(records, found.tasks), folder, dataset=dataset, format=plan.format)
        report_foreign(found.foreign, format=plan.format, report=problems.add)
        if not tally.tasks.total():
            because = f": {problems.first}" if problems.first else ""
            raise ExportError(f"project {plan.project} has annotated tasks, and none of them can be exported{because}")
        try:
            keep_numbers(dataset.labels, plan.class_numbers)
        except OSError as error:
            problems.add(f"the class numbers are not kept for the next export: {error}", task=None)
        facts = Facts(
            dataset=dataset,
            format=plan.format,
            consensus=plan.consensus,
            first_pass=found,
            tally=tally,
            classes=class_agreement(found.votes),
            shapes=found.overlaps.agreement(),
            splitting=splitting,
            seed=plan.seed,
            problems=problems.count,
            licence=plan.licence,
            credit=plan.credit,
        )
        (folder / CARD_FILE).write_text(data_card(facts), encoding="utf-8", errors="backslashreplace")
        empty = tally.empty(dataset.splits)
    return Summary(tally.tasks.total(), tally.objects.total(), tally.answers.total(), problems.count, empty, tally.unit)


def _write(records: Iterable[Record], folder: Path, *, dataset: Dataset, format: str) -> None:
    """Write the files of a format.

    Raises
    ------
    ExportError
        If the files cannot be completed for a reason that does not concern a single record.
    """
    try:
        writer(format).write(records, folder, dataset=dataset)
    except (RunError, OSError):
        raise
    except Exception as error:
        detail = " ".join(str(error).split())[:LONGEST_REASON]
        raise ExportError(f"the {format} files cannot be completed ({type(error).__name__}: {detail})") from error


def _check_something_fits(plan: Plan, dataset: Dataset) -> None:
    """Raise `ExportError` if the project has only answers about whole images and the format cannot represent them."""
    if not dataset.labels and WHOLE_IMAGE not in KINDS_OF_FORMAT[plan.format]:
        raise ExportError(
            f"project {plan.project} has no class of objects, and {plan.format} holds nothing but objects: "
            f"{formats_with(WHOLE_IMAGE)} hold answers about whole images"
        )


def _records(
    tasks: Iterable[tuple[Mapping[str, Any], Picture | ImageError | None, Size | None]],
    plan: Plan,
    *,
    decide: Decision,
    splitting: Splitting | None,
    sky_of: SkyReader,
    report: Report,
) -> Iterator[Record]:
    for task, picture, size in tasks:
        make = partial(_record, task, picture, size, plan, decide=decide, splitting=splitting, sky_of=sky_of, report=report)
        record = attempt(make)
        if isinstance(record, ImageError):
            report(f"the task is left out: {record}", task=task.get("id"))
        elif record is not None:
            yield record


def _record(
    task: Mapping[str, Any],
    picture: Picture | ImageError | None,
    size: Size | None,
    plan: Plan,
    *,
    decide: Decision,
    splitting: Splitting | None,
    sky_of: SkyReader,
    report: Report,
) -> Record | None:
    """Return the record of a task; None if the task is left out."""
    config = plan.config
    number, data = int(task["id"]), task.get("data")
    data = data if isinstance(data, Mapping) else {}
    read = read_statements(task, config, report=report, size=size)
    if not read:
        return None
    if plan.format not in WITHOUT_PIXELS:
        _report_sizes(task, plan, picture, size, report=report)
    try:
        statements = placed(decide(number_of(task), read), config, image_of_task(task, config))
    except ControlError as error:
        report(f"consensus cannot be put together: {error}", task=number)
        return None
    if plan.objects == "merged" and plan.format not in WITHOUT_PIXELS:
        statements = [merged(statement) for statement in statements]
    try:
        sky = sky_of(task)
    except Exception as error:
        reason = error if isinstance(error, SkyError) else reason_of_item(error)
        report(f"the place on the sky is left out: {reason}", task=number)
        sky = NOWHERE
    for omitted in sky.celestial.omitted if sky.celestial is not None else ():
        report(f"places on the sky are less exact: {omitted}", task=number)
    for fault in sky.faults:
        report(f"a number of the place on the sky is left out: {fault}", task=number)
    return Record(
        task=number,
        data=data,
        reference=reference_of(task, config),
        size=size or next((one.size for said in statements for one in said.objects), None),
        sky=sky,
        split=splitting.split_of[number] if splitting else ONLY_SPLIT,
        statements=tuple(statements),
        picture=picture if plan.format in WITH_IMAGES else None,
        number=number_of(task),
        image=image_of_task(task, config) if len(config.image_key) > 1 or config.paged else None,
    )


def _report_sizes(
    task: Mapping[str, Any], plan: Plan, picture: Picture | ImageError | None, size: Size | None, *, report: Report
) -> None:
    """Report an image file whose size differs from that in the annotations, or that is missing."""
    if size is not None:
        report_stated(task, plan.config, size=size, report=report)
    elif isinstance(picture, ImageError) and plan.format not in WITH_IMAGES:  # the others report each missing image
        report(f"the image is missing, and its size is as the annotations state it: {picture}", task=task.get("id"))


def _labels(config: LabelConfig, found: FirstPass) -> tuple[str, ...]:
    """Return the classes of objects: those of the config in its order, then others in the order of their first use.

    Positions are class numbers and are stable across exports: annotation numbers increase, so later classes are appended.
    """
    controls = [control for control in config.controls if control.tag not in ANSWERING_TAGS and not control.only_prompts]
    known = dict.fromkeys(label.value for control in controls for label in control.labels)
    return (
        *known,
        *(label for label in sorted(found.extra_labels, key=lambda one: (found.extra_labels[one], one)) if label not in known),
    )


def _keypoint_labels(config: LabelConfig) -> tuple[str, ...]:
    points = [control for control in config.controls if CONTROLS[control.tag].KIND is Kind.POINTS]
    controls = [control for control in points if not control.only_prompts]
    return tuple(label.value for control in controls for label in control.labels)


def _open_output(output: Path, stack: ExitStack) -> Path:
    """Return a temporary folder that is renamed to `output` when `stack` closes without an error.

    Raises
    ------
    ExportError
        If `output` exists and is not an empty folder, or if it cannot be written.
    """
    output = output.absolute()
    try:
        if output.exists() and (not output.is_dir() or any(output.iterdir())):
            raise OutputTakenError(f"{output} is there already and not an empty folder: name another one")
        unfinished = stack.enter_context(atomic_folder(output))
    except OSError as error:
        raise ExportError(f"{output} cannot be written: {error.strerror or error}") from error
    return unfinished

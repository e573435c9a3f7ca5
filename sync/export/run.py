"""Runs one export: two passes over the annotated tasks, and an atomic write of the output folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from sync.controls import CONTROLS, Kind
from sync.errors.failures import LONGEST_REASON, RunError, WrongCallError
from sync.export import KINDS_OF_FORMAT, ON_SKY, WHOLE_IMAGE, writer
from sync.export.capabilities import drop_unsupported, formats_with, report_foreign
from sync.export.card import CARD_FILE, Facts, data_card
from sync.export.class_numbers import keep_numbers, number_labels
from sync.export.consensus.agreement import class_agreement
from sync.export.consensus.consensus import CONSENSUS
from sync.export.data_columns import MOST_COLUMNS
from sync.export.dataset import Dataset
from sync.export.first_pass import FirstPass, is_read, run_first_pass
from sync.export.formats.rows import COLUMNS
from sync.export.image_files import ImageFiles
from sync.export.plan import ExportError, ExportSummary, Plan
from sync.export.problems import Problems
from sync.export.quantity_columns import quantity_columns
from sync.export.reading.images import split_by_image
from sync.export.reading.left_prompts import remove_prompts
from sync.export.reading.sizes import SizedTasks
from sync.export.reading.sky import SkyReader
from sync.export.reading.spool import Spool
from sync.export.records import Record
from sync.export.second_pass import ONLY_SPLIT, build_records
from sync.export.splits import split_tasks
from sync.export.tally import Tally
from sync.export.task_list import TaskList
from sync.files.atomic import atomic_folder
from sync.labelling.config import LabelConfig

__all__ = ["ExportError", "ExportSummary", "Plan", "export"]


class OutputTakenError(WrongCallError, ExportError):
    """The output folder is not empty."""


def export(
    tasks: Iterable[Mapping[str, Any]],
    output: Path,
    *,
    plan: Plan,
    image_files: ImageFiles,
    watch: Callable[[Iterator[Record], int], Iterator[Record]] = lambda records, _total: records,
) -> ExportSummary:
    """Export a project.

    Parameters
    ----------
    tasks : iterable of mapping
        As `read_annotated` yields them; iterated once.
    output : Path
        A folder that does not exist or is empty.
    plan : Plan
    image_files : ImageFiles
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
        cleaned_tasks = remove_prompts(tasks, plan.config, report=problems.add)
        if not spool.fill(split_by_image(cleaned_tasks, plan.config, report=problems.add)):
            raise ExportError(f"project {plan.project} has no annotation to export")
        sky_of = SkyReader(plan.config, image_files, is_needed=plan.format in ON_SKY)
        places = SkyReader(plan.config, image_files, is_needed=True).try_read if plan.fractions else None
        tasks_with_sizes = SizedTasks(image_files, plan.config, format=plan.format)
        sized_tasks = tasks_with_sizes.sizes(spool, is_needed=lambda task: is_read(task, places=places is not None))
        first_pass = run_first_pass(sized_tasks, plan.config, sky_of=places)
        splitting = split_tasks(first_pass.places, plan.fractions, seed=plan.seed) if plan.fractions else None
        tally = Tally()
        task_list = stack.enter_context(TaskList(folder, first_pass.data_columns.columns(), format=plan.format))

        def note_written(record: Record) -> None:
            tally.add(record)
            task_list.add(record)

        dataset = Dataset(
            project=plan.project,
            title=plan.title,
            labels=number_labels(_labels(plan.config, first_pass), plan.class_numbers),
            keypoint_labels=_keypoint_labels(plan.config),
            kinds=frozenset(first_pass.kinds),
            outlined_classes=frozenset(first_pass.outlined_classes),
            data_columns=first_pass.data_columns.columns(),
            splits=tuple(plan.fractions or (ONLY_SPLIT,)),
            report=problems.add,
            on_written=note_written,
            quantities=quantity_columns(plan.config, reserved_names=[column.name for column in COLUMNS]),
        )
        _check_something_fits(plan, dataset)
        if first_pass.data_columns.dropped_count:
            limit = f"a data set has at most {MOST_COLUMNS} of their columns"
            reason = f"{first_pass.data_columns.dropped_count:,} values of the tasks' data are left out: {limit}"
            problems.add(reason, task=None)
        decide = CONSENSUS[plan.consensus](first_pass.votes, plan.config)
        tasks_with_images = tasks_with_sizes.image_files(spool)
        records = build_records(tasks_with_images, plan, decide=decide, splitting=splitting, sky_of=sky_of, report=problems.add)
        records = drop_unsupported(records, format=plan.format, report=problems.add)
        _write(watch(records, first_pass.tasks), folder, dataset=dataset, format=plan.format)
        report_foreign(first_pass.foreign, format=plan.format, report=problems.add)
        if not tally.tasks.total():
            because = f": {problems.first}" if problems.first else ""
            raise ExportError(f"project {plan.project} has annotated tasks, and none of them can be exported{because}")
        try:
            keep_numbers(dataset.labels, plan.class_numbers)
        except OSError as error:
            problems.add(f"the class numbers cannot be stored for the next export: {error}", task=None)
        facts = Facts(
            dataset=dataset,
            format=plan.format,
            consensus=plan.consensus,
            first_pass=first_pass,
            tally=tally,
            classes=class_agreement(first_pass.votes),
            shapes=first_pass.overlaps.agreement(),
            splitting=splitting,
            seed=plan.seed,
            problems=problems.count,
            licence=plan.licence,
            credit=plan.credit,
        )
        (folder / CARD_FILE).write_text(data_card(facts), encoding="utf-8", errors="backslashreplace")
        empty_splits = tally.empty_splits(dataset.splits)
    return ExportSummary(
        tally.tasks.total(), tally.objects.total(), tally.answers.total(), problems.count, empty_splits, tally.unit
    )


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
            f"project {plan.project} has no class of objects, and {plan.format} holds objects only: "
            f"{formats_with(WHOLE_IMAGE)} hold answers about whole images"
        )


def _labels(config: LabelConfig, first_pass: FirstPass) -> tuple[str, ...]:
    """Return the classes of objects: those of the config in its order, then others in the order of their first use.

    Positions are class numbers and are stable across exports: annotation numbers increase, so later classes are appended.
    """
    controls = [control for control in config.controls if control.marks_objects and not control.only_prompts]
    config_labels = dict.fromkeys(label.value for control in controls for label in control.labels)
    return (
        *config_labels,
        *(
            label
            for label in sorted(first_pass.extra_labels, key=lambda label: (first_pass.extra_labels[label], label))
            if label not in config_labels
        ),
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
            raise OutputTakenError(f"{output} already exists and is not an empty folder: name another one")
        temporary_folder = stack.enter_context(atomic_folder(output))
    except OSError as error:
        raise ExportError(f"{output} cannot be written: {error.strerror or error}") from error
    return temporary_folder

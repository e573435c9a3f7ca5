"""`galaxyloop export`: write the annotations of a Label Studio project as a data set."""

from __future__ import annotations

from contextlib import closing
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backend.cli.progress import track_items
from backend.cli.startup import read_settings
from backend.cli.terminal import INCOMPLETE, MAX_COUNT, ProjectId, console, stop, stop_for, wrong_call

if TYPE_CHECKING:
    from backend.settings import Settings
    from sync.export.run import ExportSummary, Plan
    from sync.label_studio.client import LabelStudioClient

__all__ = ["export"]


class ExportFormat(StrEnum):
    """Export formats: the keys of `sync.export.FORMATS`, repeated here so that `--help` does not import it."""

    coco = "coco"
    yolo = "yolo"
    fits = "fits"
    ds9 = "ds9"
    moc = "moc"
    ecsv = "ecsv"
    votable = "votable"
    fits_table = "fits-table"
    parquet = "parquet"
    json = "json"


class Consensus(StrEnum):
    """Consensus of several annotations of a task; the keys of `sync.export.consensus.consensus.CONSENSUS`."""

    latest = "latest"
    majority = "majority"
    dawid_skene = "dawid-skene"
    all = "all"


class ObjectMerging(StrEnum):
    """Treatment of a box and an outline around the same object; the values of `sync.export.merging.OBJECTS`."""

    merged = "merged"
    separate = "separate"


def export(
    project: ProjectId,
    output: Annotated[Path, typer.Option(help="Folder to create; it may exist if it is empty.")],
    format: Annotated[ExportFormat, typer.Option(help="Output format; docs/export.md describes each.")],
    consensus: Annotated[Consensus, typer.Option(help="How to combine several annotations of a task.")] = Consensus.latest,
    split: Annotated[
        str, typer.Option(help="Fractions of train, validation and test, such as 0.8,0.1,0.1; two numbers are train and test.")
    ] = "",
    seed: Annotated[int, typer.Option(min=0, help="Random seed of the splits.")] = 0,
    objects: Annotated[
        ObjectMerging, typer.Option(help="Whether a box and an outline around the same object are merged.")
    ] = ObjectMerging.merged,
    limit: Annotated[
        int | None, typer.Option(min=1, max=MAX_COUNT, help="Largest number of annotated tasks; default: all.")
    ] = None,
    licence: Annotated[str, typer.Option(help="Licence line of the data card.")] = "",
    credit: Annotated[str, typer.Option(help="Credit line of the data card.")] = "",
) -> None:
    """Export a project's annotations as a data set, with the annotator or model of each object and a data card."""
    settings = read_settings()
    from sync.export import missing_packages
    from sync.export.run import ExportError, Plan
    from sync.export.splits import parse_fractions
    from sync.label_studio.client import LabelStudioClient, LabelStudioError
    from sync.label_studio.projects import project_state
    from sync.labelling.config import parse

    if packages := missing_packages():
        stop(f"export needs {', '.join(packages)}, not installed here: pip install 'galaxyloop[export]'")
    try:
        fractions = parse_fractions(split) if split else None
    except ValueError as error:
        wrong_call(str(error))
    try:
        with LabelStudioClient(settings.label_studio_url, settings.label_studio_api_key.get_secret_value()) as client:
            state = project_state(client, project)
            plan = Plan(
                project=project,
                title=state.title,
                config=parse(state.label_config),
                format=format.value,
                consensus=consensus.value,
                fractions=fractions,
                seed=seed,
                licence=licence,
                credit=credit,
                objects=objects.value,
                class_numbers=settings.class_numbers_file(project, state.created_at),
            )
            result = _export(client, output, plan, settings, task_count=state.task_count, limit=limit)
    except (ExportError, LabelStudioError, ValueError) as error:
        stop_for(error)
    except OSError as error:
        stop(f"{output} cannot be written: {error.strerror or error}")
    console.print(
        f"wrote {result.tasks} {result.unit}, {result.objects} objects and {result.answers} image-level labels to {output}",
        highlight=False,
    )
    if result.problems:
        console.print(
            f"{result.problems} problems: {output / 'problems.csv'} lists what could not be exported unchanged, and why",
            highlight=False,
        )
    for name in result.empty_splits:
        console.print(f"no task is in {name}: there are too few, or too many belong together", highlight=False)
    if result.problems:
        raise typer.Exit(INCOMPLETE)


def _export(
    client: LabelStudioClient, output: Path, plan: Plan, settings: Settings, *, task_count: int, limit: int | None
) -> ExportSummary:
    from backend.images.open import open_fetcher
    from sync.export.image_files import AHEAD, ImageFiles
    from sync.export.reading.spool import read_annotated
    from sync.export.run import export

    with closing(open_fetcher(settings, client.authorization, connections=AHEAD)) as fetcher:
        return export(
            track_items(
                islice(read_annotated(client, plan.project), limit),
                "reading",
                total=min(task_count, limit or task_count),
                unit="tasks",
            ),
            output,
            plan=plan,
            image_files=ImageFiles(fetcher.fetch, max_pixels=settings.image_max_pixels),
            watch=lambda records, total: track_items(records, "writing", total=total, unit="tasks"),
        )

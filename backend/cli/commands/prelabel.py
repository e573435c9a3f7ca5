"""`galaxyloop prelabel`: store predictions for all tasks of a Label Studio project."""

from __future__ import annotations

import logging
import shlex
import time
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.logging import RichHandler

from backend.cli.commands.survey import PART_IMAGES, survey
from backend.cli.engine import Engine, EngineOption, RayAddress, check_engine, lower_priority
from backend.cli.progress import track_rate
from backend.cli.startup import limit_threads, open_services, read_settings
from backend.cli.terminal import (
    INCOMPLETE,
    MAX_COUNT,
    NOT_FOUND,
    AsJson,
    console,
    list_left_out,
    notices,
    print_json,
    stop,
    stop_for,
    wrong_call,
)
from backend.jobs.memory import keep_freed_memory
from backend.registry.records import MAX_ID

if TYPE_CHECKING:
    from backend.prediction.bulk import Pairs
    from backend.prelabel.project import Outcome
    from backend.services import Services

__all__ = ["prelabel"]

MAX_NAMED = 5
"""Largest number of tasks that a message names; the log has all."""


class Order(StrEnum):
    """Order in which tasks are predicted: by id, or the most uncertain first."""

    id = "id"
    uncertain = "uncertain"


def prelabel(
    project: Annotated[
        int | None,
        typer.Argument(metavar="PROJECT", min=1, max=MAX_ID, help="Number of the project, as in the URL of its page."),
    ] = None,
    only_unlabelled: Annotated[bool, typer.Option("--only-unlabelled", help="Leave out annotated tasks.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, max=MAX_COUNT, help="Largest number of tasks.")] = None,
    order: Annotated[Order, typer.Option(help="Order of the tasks; uncertain predicts all tasks twice.")] = Order.id,
    engine: EngineOption = Engine.local,
    ray_address: RayAddress = None,
    as_json: AsJson = False,
    input: Annotated[str | None, typer.Option(hidden=True)] = None,
    output: Annotated[Path | None, typer.Option(hidden=True)] = None,
    config: Annotated[str | None, typer.Option(hidden=True)] = None,
    project_option: Annotated[int | None, typer.Option("--project", min=1, max=MAX_ID, hidden=True)] = None,
    version: Annotated[str | None, typer.Option(hidden=True)] = None,
    part_images: Annotated[int, typer.Option(min=1, max=MAX_COUNT, hidden=True)] = PART_IMAGES,
    extension: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Store predictions for all tasks of PROJECT in bulk.

    The same command continues an interrupted run; it stores nothing twice. See docs/scale.md.
    """
    check_engine(engine, ray_address)
    if input is not None:  # the command of releases before `galaxyloop survey`
        if project is not None:
            wrong_call("name either a PROJECT of Label Studio, or the INPUT of galaxyloop survey")
        if only_unlabelled or limit or order is not Order.id:
            wrong_call("--only-unlabelled, --limit and --order belong to a PROJECT of Label Studio")
        command = f"galaxyloop survey {shlex.quote(input)}"
        notices.print(f"galaxyloop prelabel --input is now: {command} …", highlight=False, soft_wrap=True)
        survey(
            input,
            output,
            config,
            project_option,
            version,
            part_images=part_images,
            extension=extension,
            engine=engine,
            ray_address=ray_address,
        )
        return
    if project is None:
        wrong_call("name the PROJECT of Label Studio; for image files without Label Studio use galaxyloop survey")
    if output or config or project_option or version or extension:
        wrong_call("--output, --config, --project, --version and --extension belong to galaxyloop survey")
    _prelabel_project(
        project, only_unlabelled, limit, order, on_ray=engine is Engine.ray, ray_address=ray_address, as_json=as_json
    )


def _prelabel_project(
    project: int,
    only_unlabelled: bool,
    limit: int | None,
    order: Order,
    *,
    on_ray: bool,
    ray_address: str | None,
    as_json: bool,
) -> None:
    settings = read_settings()
    limit_threads(settings)
    services = open_services(settings)
    _check_project(services, project)
    keep_freed_memory()
    lower_priority(settings)
    from sqlalchemy.exc import DatabaseError

    from backend.cluster.ray_cluster import ClusterError
    from backend.heads.errors import HeadError
    from backend.lvm.checkpoint import CheckpointError
    from backend.prelabel import engines
    from backend.prelabel.project import PrelabelError, TaskSelection
    from backend.prelabel.project import prelabel as run
    from backend.registry.connection import reason_of
    from sync.label_studio.client import LabelStudioError

    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[RichHandler(console=notices, show_path=False)])
    logging.getLogger("galaxyloop.predictor").setLevel(logging.ERROR)  # unreadable images are listed at the end
    choice = TaskSelection(only_unlabelled, limit, uncertain_first=order is Order.uncertain)
    open_engine = engines.ray_engine(ray_address) if on_ray else engines.local_engine
    began = time.monotonic()
    try:
        outcome = run(services, project, choice, open_engine=open_engine, progress=_progress)
    except (PrelabelError, ClusterError, LabelStudioError, HeadError, CheckpointError, ValueError) as error:
        stop_for(error)
    except DatabaseError as error:
        stop(f"the database cannot be used any more: {reason_of(error)}; stored predictions are kept: run the command again")
    if as_json:
        print_json(
            {
                "project": project,
                "version": outcome.version,
                "stored": outcome.stored_count,
                "known": outcome.known_count,
                "replaced": outcome.replaced_count,
                "shown": outcome.shown,
                "left_out": {str(task): reason for task, reason in outcome.left_out.items()},
                "refused": list(outcome.refused_tasks),
                "duplicates": list(outcome.duplicates),
            }
        )
    list_left_out({f"task {task}": reason for task, reason in outcome.left_out.items()})
    if not as_json:
        _print_outcome(outcome, seconds=time.monotonic() - began)
    if outcome.refused_tasks:
        stop(
            f"Label Studio refused the predictions of {len(outcome.refused_tasks)} tasks ({_format_ids(outcome.refused_tasks)})"
        )
    if outcome.left_out:
        raise typer.Exit(INCOMPLETE)


def _print_outcome(outcome: Outcome, *, seconds: float) -> None:
    rate = f" in {seconds:.0f} s ({outcome.stored_count / seconds:.3g} images/s)" if outcome.stored_count else ""
    console.print(
        f"{outcome.stored_count:,} predictions of {outcome.version} stored{rate}, {outcome.known_count:,} tasks had one already"
        + (f", {outcome.replaced_count:,} of them replaced: images have changed" if outcome.replaced_count else "")
        + ("" if outcome.shown else "; annotators do not see them yet, since some tasks have none"),
        highlight=False,
        soft_wrap=True,
    )
    if outcome.duplicates:
        console.print(
            "duplicate predictions, which arise if an annotator opens a task during the run, were deleted for the tasks "
            f"{_format_ids(outcome.duplicates)} ({len(outcome.duplicates):,} in all)",
            highlight=False,
            soft_wrap=True,
        )


def _check_project(services: Services, project: int) -> None:
    """End the command if Label Studio does not answer, or has no such project, before a model is imported."""
    from sync.label_studio.client import LabelStudioError
    from sync.label_studio.projects import project_state

    try:
        project_state(services.label_studio, project)
    except (LabelStudioError, ValueError) as error:
        if getattr(error, "status", None) == NOT_FOUND:
            wrong_call(f"Label Studio at {services.settings.label_studio_url} has no project {project}")
        stop_for(error)


def _progress(batches: Iterator[Pairs], title: str, total: int) -> Iterator[Pairs]:
    return track_rate(batches, title, total=total)


def _format_ids(tasks: Sequence[int]) -> str:
    return ", ".join(str(task) for task in tasks[:MAX_NAMED]) + ", …" * (len(tasks) > MAX_NAMED)

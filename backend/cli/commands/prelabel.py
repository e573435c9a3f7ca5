"""`galaxyloop prelabel`: predictions in bulk, for a Label Studio project, or for a survey of images without one."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.logging import RichHandler

from backend.cli.progress import with_rate
from backend.cli.startup import bound_threads, open_services, read_settings
from backend.cli.terminal import INCOMPLETE, Extension, console, list_left_out, notices, stop, stop_for, wrong_call
from backend.registry.records import MAX_ID

if TYPE_CHECKING:
    from backend.prediction.bulk import Pairs
    from backend.settings import Settings

__all__ = ["prelabel"]

NAMED = 5
"""Tasks that a sentence names; the log has all."""


class Engine(StrEnum):
    """Where it is predicted."""

    local = "local"
    ray = "ray"


class Order(StrEnum):
    """Which tasks go first."""

    id = "id"
    uncertain = "uncertain"


def prelabel(
    project: Annotated[
        int | None,
        typer.Argument(metavar="[PROJECT]", min=1, max=MAX_ID, help="Number of the project in Label Studio's address."),
    ] = None,
    only_unlabelled: Annotated[bool, typer.Option("--only-unlabelled", help="Leave out tasks that are annotated.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many tasks.")] = None,
    order: Annotated[Order, typer.Option(help="Which tasks go first; uncertain looks at all images before.")] = Order.id,
    engine: Annotated[Engine, typer.Option(help="Where it is predicted; ray needs the extra of that name.")] = Engine.local,
    ray_address: Annotated[
        str | None, typer.Option(help="host:port of a Ray cluster's head node; without it one starts on this machine.")
    ] = None,
    input: Annotated[
        str | None, typer.Option(help="A survey: s3://bucket/prefix/*.png, a folder, a pattern, or a Parquet file.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="The survey's folder of Parquet parts; a broken-off one goes on.")] = None,
    config: Annotated[
        str | None, typer.Option(help="The survey's config: a name from labeling_configs, or an XML file.")
    ] = None,
    project_option: Annotated[
        int | None, typer.Option("--project", min=1, help="The survey is predicted by what this project has learned.")
    ] = None,
    version: Annotated[
        str | None, typer.Option(help="A version of that project, such as v0007-3f9a7c; without it the live one.")
    ] = None,
    part_images: Annotated[int, typer.Option(min=1, help="Images of a part: so many are done again after a kill.")] = 2048,
    extension: Extension = "",
) -> None:
    """Store predictions for all tasks of PROJECT in bulk; or, with --input, write embeddings and predictions of any images.

    Whatever is killed, the same command goes on: nothing is stored twice, no part is made twice. docs/scale.md tells more.
    """
    if ray_address is not None and engine is not Engine.ray:
        wrong_call("--ray-address needs --engine ray")
    if (project is None) == (input is None):
        wrong_call("name either a PROJECT of Label Studio or a survey's --input")
    if input is not None:
        if only_unlabelled or limit or order is not Order.id:
            wrong_call("--only-unlabelled, --limit and --order belong to a PROJECT of Label Studio")
        settings = read_settings()
        if "threads" in settings.model_fields_set:  # else it may be alone on its machine, and takes all of it
            _step_back(settings)
        from backend.cli.commands.survey import Heads, survey

        heads = Heads(config, project_option, version)
        survey(
            *(input, output, heads),
            on_ray=engine is Engine.ray,
            ray_address=ray_address,
            part_images=part_images,
            extension=extension,
        )
        return
    if output or config or project_option or version or extension:
        wrong_call("--output, --config, --project, --version and --extension belong to a survey: name an --input, no PROJECT")
    assert project is not None
    _prelabel_project(project, only_unlabelled, limit, order, on_ray=engine is Engine.ray, ray_address=ray_address)


def _prelabel_project(
    project: int, only_unlabelled: bool, limit: int | None, order: Order, *, on_ray: bool, ray_address: str | None
) -> None:
    settings = read_settings()
    _step_back(settings)
    from sqlalchemy.exc import DatabaseError

    from backend.cluster.ray_cluster import ClusterError
    from backend.heads.errors import HeadError
    from backend.lvm.checkpoint import CheckpointError
    from backend.prelabel import engines
    from backend.prelabel.project import Choice, PrelabelError
    from backend.prelabel.project import prelabel as run
    from backend.registry.connection import reason_of
    from sync.label_studio.client import LabelStudioError

    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[RichHandler(console=notices, show_path=False)])
    logging.getLogger("galaxyloop.annotator").setLevel(logging.ERROR)  # pictures that cannot be read are listed at the end
    choice = Choice(only_unlabelled, limit, uncertain_first=order is Order.uncertain)
    services = open_services(settings)
    open_engine = engines.ray_engine(ray_address) if on_ray else engines.local_engine
    began = time.monotonic()
    try:
        done = run(services, project, choice, open_engine=open_engine, progress=_progress)
    except (PrelabelError, ClusterError, LabelStudioError, HeadError, CheckpointError, ValueError) as error:
        stop_for(error)
    except DatabaseError as error:
        stop(f"the database cannot be used any more: {reason_of(error)}; what is stored stays, run it again")
    list_left_out({f"task {task}": reason for task, reason in done.left_out.items()})
    seconds = time.monotonic() - began
    rate = f" in {seconds:.0f} s ({done.stored / seconds:.3g} images/s)" if done.stored else ""
    console.print(
        f"{done.stored:,} predictions of {done.version} stored{rate}, {done.known:,} were there already"
        + (f", {done.replaced:,} of them replaced: images have changed" if done.replaced else "")
        + ("" if done.shown else "; annotators do not see them yet: tasks are left without one"),
        highlight=False,
        soft_wrap=True,
    )
    if done.duplicates:
        console.print(
            "Tasks whose prediction was doubled, as when somebody opens one meanwhile, have one now: "
            f"{_named(done.duplicates)} ({len(done.duplicates):,} in all)",
            highlight=False,
            soft_wrap=True,
        )
    if done.refused:
        stop(f"Label Studio took no prediction for {len(done.refused)} tasks ({_named(done.refused)})")
    if done.left_out:
        raise typer.Exit(INCOMPLETE)


def _progress(batches: Iterator[Pairs], title: str, total: int) -> Iterator[Pairs]:
    return with_rate(batches, title, total=total)


def _named(tasks: Sequence[int]) -> str:
    return ", ".join(str(task) for task in tasks[:NAMED]) + ", …" * (len(tasks) > NAMED)


def _step_back(settings: Settings) -> None:
    """Leave the cores to those who answer clicks, as the worker does: before torch is loaded, whose threads inherit it."""
    bound_threads(settings)
    niceness = max(os.getpriority(os.PRIO_PROCESS, 0), settings.worker_niceness)
    os.setpriority(os.PRIO_PROCESS, 0, niceness)
    import torch

    torch.set_num_threads(settings.threads)

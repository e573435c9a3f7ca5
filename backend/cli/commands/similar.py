"""`galaxyloop similar`: find more galaxies like chosen ones, in a project's queue or in a survey."""

from __future__ import annotations

import csv
import io
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Column, Table

from backend.cli.output import open_output
from backend.cli.progress import track_items
from backend.cli.startup import open_existing_services, read_settings
from backend.cli.tables import print_table
from backend.cli.terminal import MAX_COUNT, ProjectId, console, stop, stop_for, wrong_call
from backend.registry.records import MAX_ID

if TYPE_CHECKING:
    from backend.services import Services

__all__ = ["similar"]


def similar(
    project: ProjectId,
    task: Annotated[
        list[int] | None, typer.Option(min=1, max=MAX_ID, help="Task that shows a galaxy to search for; repeatable.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=MAX_COUNT, help="Number of similar galaxies.")] = 100,
    clear: Annotated[bool, typer.Option("--clear", help="End the request: the project's strategy orders the queue.")] = False,
    survey: Annotated[
        Path | None, typer.Option(help="Folder of a survey: list its images most like the galaxies, and leave the queue.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="With --survey: a CSV file to write (path, similarity).")] = None,
) -> None:
    """Order a project's queue by similarity to chosen galaxies, or list the most similar images of a survey.

    The order holds until --clear. See docs/loop.md, Which task comes next.
    """
    if clear and (task or survey):
        wrong_call("--clear ends a request, and takes no --task and no --survey")
    if output is not None and survey is None:
        wrong_call("--output needs --survey, whose images it lists")
    if output is not None and output.suffix.lower() != ".csv":
        wrong_call(f"--output {output} must end in .csv")
    if not clear and not task:
        wrong_call("name at least one --task, or end the request with --clear")
    if survey is not None and find_spec("pyarrow") is None:
        stop("a survey needs pyarrow, not installed here: pip install 'galaxyloop[survey]'")
    services = open_existing_services(read_settings())
    if clear:
        _clear(services, project)
        return
    if survey is not None:
        _search_survey(services, project, task or [], survey, limit=limit, output=output)
    else:
        _order_queue(services, project, task or [], limit=limit)


def _clear(services: Services, project: int) -> None:
    from backend.jobs.liveness import describe_next_work
    from backend.projects.similar import clear_similar
    from backend.registry.records import RegistryError

    try:
        had_one = clear_similar(services, project)
    except RegistryError as error:
        stop_for(error)
    if not had_one:
        console.print(f"the queue of project {project} was not ordered by similarity", soft_wrap=True)
        return
    console.print(f"the request is ended; {describe_next_work(services.engine, 'orders the queue')}", soft_wrap=True)


def _order_queue(services: Services, project: int, tasks: list[int], *, limit: int) -> None:
    from backend.jobs.liveness import describe_next_work
    from backend.projects.similar import SimilarError, request_similar
    from backend.registry.records import RegistryError
    from sync.label_studio.client import LabelStudioError

    try:
        request_similar(services, project, tasks, limit=limit)
    except (RegistryError, SimilarError, LabelStudioError) as error:
        stop_for(error)
    console.print(f"the request is stored; {describe_next_work(services.engine, 'orders the queue')}", soft_wrap=True)


def _search_survey(
    services: Services, project: int, tasks: list[int], folder: Path, *, limit: int, output: Path | None
) -> None:
    from backend.projects.similar import SimilarError, embeddings_of_chosen
    from backend.registry.records import RegistryError
    from backend.survey.errors import SurveyError
    from backend.survey.similar import most_similar
    from sync.label_studio.client import LabelStudioError

    try:
        embeddings = embeddings_of_chosen(services, project, tasks)
        matches = most_similar(
            folder, embeddings, limit=limit, show=lambda parts: track_items(parts, "searching", total=len(parts), unit="parts")
        )
    except (RegistryError, SimilarError, SurveyError, LabelStudioError) as error:
        stop_for(error)
    if output is None:
        table = Table("image", Column("similarity", justify="right"))
        for path, similarity in matches:
            table.add_row(path, f"{similarity:.4f}")
        print_table(table)
        return
    with open_output(output) as file:
        text = io.TextIOWrapper(file, "utf-8", newline="")
        csv.writer(text).writerows([("path", "similarity"), *((path, f"{similarity:.6f}") for path, similarity in matches)])
        text.flush()
        text.detach()
    console.print(f"wrote the {len(matches)} most similar images to {output}", soft_wrap=True)

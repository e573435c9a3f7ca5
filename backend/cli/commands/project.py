"""`galaxyloop project create`, `attach` and `status`: create, attach and describe Label Studio projects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from backend.cli.label_config import read_label_config
from backend.cli.startup import open_services, open_services_if_any, read_settings
from backend.cli.terminal import AsJson, ProjectId, console, print_json, stop, stop_for

if TYPE_CHECKING:
    from sqlalchemy import Engine

__all__ = ["attach", "create", "status"]


def create(
    title: Annotated[str, typer.Option(help="Title, at least three characters.")],
    config: Annotated[str, typer.Option(help="Labelling config: a name from labeling_configs, or an XML file.")],
) -> None:
    """Create a project in Label Studio, with instructions for its annotators, and print its number."""
    from sync.label_studio.client import LabelStudioClient, LabelStudioError
    from sync.label_studio.projects import create_project
    from sync.labelling.instructions import annotator_instructions

    xml = read_label_config(config)
    settings = read_settings()
    try:
        instructions = annotator_instructions(xml)  # raises for an invalid config, before the project is created
        with LabelStudioClient(settings.label_studio_url, settings.label_studio_api_key.get_secret_value()) as client:
            console.print(create_project(client, title, xml, instructions=instructions))
    except (LabelStudioError, ValueError) as error:
        stop_for(error)


def attach(
    project: ProjectId,
    batch: Annotated[
        int | None, typer.Option(min=1, help="Number of new or changed annotations that start a training.")
    ] = None,
) -> None:
    """Attach the backend to a project: it predicts, receives an event for every annotation, and its scores order the tasks."""
    from backend.jobs.liveness import describe_next_work, describe_processes, is_alive
    from backend.projects.attach import attach_project
    from backend.registry.records import RegistryError
    from sync.label_studio.client import LabelStudioError
    from sync.labelling.config import find_unsupported

    services = open_services(read_settings())
    try:
        other = attach_project(services, project, batch=batch)
    except (LabelStudioError, RegistryError, ValueError) as error:
        stop_for(error)
    if other:
        stop(f"project {project} is attached, but Label Studio calls only its first backend, {other}: remove that one")
    console.print(
        f"project {project} is attached; {describe_next_work(services.engine, 'stores its first predictions')}", soft_wrap=True
    )
    for sentence in find_unsupported(services.registry.project(project).label_config):
        console.print(f"not supported: {sentence}", soft_wrap=True, highlight=False)
    if not is_alive(services.engine, "server"):
        console.print(f"clicks and events are lost: the server {describe_processes(services.engine, 'server')}", soft_wrap=True)


def status(project: ProjectId, as_json: AsJson = False) -> None:
    """Show a project's state: tasks in Label Studio, whether the backend receives its events, and the loop's last status."""
    from backend.jobs.liveness import describe_processes, format_duration
    from sync.label_studio.attach import check_attachment
    from sync.label_studio.client import LabelStudioError
    from sync.label_studio.coverage import count_unpredicted
    from sync.label_studio.projects import project_state
    from sync.label_studio.tasks import read_tasks
    from sync.labelling.config import LabelConfigError, parse

    services = open_services_if_any(read_settings())
    url = services.settings.public_url
    record = next((record for record in services.registry.projects() if record.id == project), None)
    try:
        client = services.label_studio
        state = project_state(client, project)
        annotated_count = sum(task.annotated for task in read_tasks(client, project))
        backend, events = check_attachment(client, project, url=url)
        config = parse(state.label_config)
        lacking = count_unpredicted(client, project, record.live_name) if record else 0
    except (LabelStudioError, LabelConfigError, ValueError) as error:
        if record and record.away:
            stop(f"{error}; here: {record.status}")
        stop_for(error)
    rows = {
        "project": f"{project}, {state.title}",
        "tasks": f"{state.task_count}, {annotated_count} of them annotated",
        "predicted controls": ", ".join(control.name for control in config.controls) or "none",
        "not supported": "\n".join(config.passed_over),
        "order of tasks": state.sampling,
        "backend": f"{url} is attached" if backend else f"{url} is not attached: galaxyloop project attach {project}",
        "events": _events(services.engine, webhook=events),
        "server": describe_processes(services.engine, "server"),
        "worker": describe_processes(services.engine, "worker"),
        "version shown to annotators": state.model_version or "none",
    }
    if record is None:
        rows["live version"] = "none: the project is not registered here yet"
    else:
        publication = "published" if record.published_version == record.live_version else "not published yet"
        pending_s = services.pending_events.waiting_s().get(project)
        rows["live version"] = f"{record.live_name}, {publication}"
        rows["tasks without its prediction"] = str(lacking)
        rows["pending events"] = "no" if pending_s is None else f"for {format_duration(pending_s)}"
        rows["last status"] = record.status
    if as_json:
        print_json({name.replace(" ", "_"): value for name, value in rows.items()})
        return
    table = Table(show_header=False)
    for name, value in rows.items():
        if value:
            table.add_row(name, value)
    console.print(table)


def _events(engine: Engine, *, webhook: bool) -> str:
    """Describe whether Label Studio sends events, and whether a server runs that receives them."""
    from backend.jobs.liveness import is_alive

    if not webhook:
        return "do not reach the backend: the project has no active webhook to it"
    if not is_alive(engine, "server"):
        return "are sent and lost: no server runs; a running worker finds the changes at its next reconciliation"
    return "are sent to the backend, and a server runs"

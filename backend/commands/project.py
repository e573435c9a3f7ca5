"""`galaxyloop project create`, `attach` and `status`: Label Studio projects."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from backend.commands.configs import read_label_config
from backend.commands.process import open_services, read_settings
from backend.commands.terminal import ProjectId, console, stop

__all__ = ["attach", "create", "status"]


def create(
    title: Annotated[str, typer.Option(help="At least three characters.")],
    config: Annotated[str, typer.Option(help="A name from labeling_configs, or an XML file.")],
) -> None:
    """Create a project in Label Studio and print its number."""
    from sync.client import LabelStudioClient, LabelStudioError
    from sync.projects import create_project

    xml = read_label_config(config)
    settings = read_settings()
    try:
        with LabelStudioClient(settings.label_studio_url, settings.label_studio_api_key.get_secret_value()) as client:
            console.print(create_project(client, title, xml))
    except (LabelStudioError, ValueError) as error:
        stop(str(error))


def attach(
    project: ProjectId,
    batch: Annotated[int | None, typer.Option(min=1, help="Annotations that make a training.")] = None,
) -> None:
    """Attach the backend to a project so that it predicts, hears of every annotation, and is asked for uncertain tasks."""
    from sync.attach import asked_instead
    from sync.client import LabelStudioError
    from sync.projects import attach_backend, project_state, set_uncertainty_sampling

    services = open_services(read_settings())
    settings = services.settings
    password = settings.basic_auth_password.get_secret_value()
    try:
        client = services.label_studio
        state = project_state(client, project)
        services.meet(project, label_config=state.label_config, extra_params={"batch": batch} if batch else None)
        live = services.registry.version(project, services.registry.project(project).live_version)
        attach_backend(
            client,
            project,
            url=settings.public_url,
            title=live.name,
            basic_auth=(settings.basic_auth_user, password) if password else None,
            webhook_secret=settings.webhook_secret.get_secret_value() or None,
            extra_params={"batch": batch} if batch else None,
        )
        set_uncertainty_sampling(client, project)
        other = asked_instead(client, project, url=settings.public_url)
    except (LabelStudioError, ValueError) as error:
        stop(str(error))
    services.ring_at_once(project)
    if other:
        stop(
            f"project {project} is attached, but Label Studio asks only its first backend, {other}: remove that in its settings"
        )
    console.print(f"project {project} is attached; the worker stores its first predictions")


def status(project: ProjectId) -> None:
    """Say how a project stands: its tasks in Label Studio, whether the backend hears of it, and what the loop did."""
    from backend.records import RegistryError
    from sync.attach import attached
    from sync.client import LabelStudioError
    from sync.labelconfig import LabelConfigError, parse
    from sync.projects import project_state
    from sync.tasks import read_tasks

    services = open_services(read_settings())
    url = services.settings.public_url
    try:
        client = services.label_studio
        state = project_state(client, project)
        done = sum(task.annotated for task in read_tasks(client, project))
        backend, events = attached(client, project, url=url)
        filled = ", ".join(control.name for control in parse(state.label_config).controls)
    except (LabelStudioError, LabelConfigError, ValueError) as error:
        stop(str(error))
    table = Table("project", f"{project}, {state.title}")
    table.add_row("tasks", f"{state.task_count}, {done} of them annotated")
    table.add_row("controls that can be filled", filled or "none")
    table.add_row("order of tasks", state.sampling)
    table.add_row("backend", f"{url} is attached" if backend else f"{url} is not attached: galaxyloop project attach {project}")
    table.add_row("events", "reach the backend" if events else "do not reach the backend")
    table.add_row("version on show", state.model_version or "none")
    try:
        ours = services.registry.project(project)
        live = services.registry.version(project, ours.live_version).name
        published = "published" if ours.published_version == ours.live_version else "not published yet"
        table.add_row("live version", f"{live}, {published}")
        table.add_row("what the loop last did", ours.status)
    except RegistryError:
        table.add_row("live version", "none: the loop does not know the project yet")
    console.print(table)

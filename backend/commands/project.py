"""`galaxyloop project create` and `attach`: Label Studio projects."""

from __future__ import annotations

from typing import Annotated

import typer

from backend.commands.configs import read_label_config
from backend.commands.process import read_settings
from backend.commands.terminal import ProjectId, console, stop

__all__ = ["attach", "create"]


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
    from backend.services import Services
    from sync.client import LabelStudioError
    from sync.projects import attach_backend, project_state

    services = Services(read_settings())
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
    except (LabelStudioError, ValueError) as error:
        stop(str(error))
    services.ring_at_once(project)
    console.print(f"project {project} is attached; the worker stores its first predictions")

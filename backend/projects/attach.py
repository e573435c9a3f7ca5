"""Attach the backend to a project, in Label Studio and in the registry; a failure undoes both."""

from __future__ import annotations

from contextlib import suppress

from backend.projects.forget import ProjectInUseError, forget_project
from backend.registry.records import RegistryError
from backend.services import Services
from sync.label_studio.attach import attach_backend, find_other_backend
from sync.label_studio.attach_undo import undo_on_failure
from sync.label_studio.origin import is_same_project, read_origin
from sync.label_studio.projects import project_state, set_uncertainty_sampling
from sync.labelling.config import parse

__all__ = ["attach_project"]

FORGET_PATIENCE_S = 5.0


def attach_project(services: Services, project_id: int, *, batch: int | None) -> str:
    """Attach the backend so that it predicts, receives every event, and its scores order the tasks (uncertainty sampling).

    A second call changes nothing. If a call fails, Label Studio and the registry are restored.

    Parameters
    ----------
    services : Services
    project_id : int
    batch : int, optional
        New annotations that start a training; None keeps the project's value.

    Returns
    -------
    str
        Address of another backend that Label Studio asks instead of this one; empty if it asks this one.

    Raises
    ------
    LabelStudioError
        If Label Studio refuses; the message names the setting to change or to check.
    LabelConfigError
        If the project's labelling config cannot be read.
    RegistryError
        If another project of the same number was attached before.
    """
    client, settings = services.label_studio, services.settings
    state = project_state(client, project_id)
    parse(state.label_config)
    origin, registered_origin = read_origin(client, project_id), _read_registered_origin(services, project_id)
    if registered_origin is not None and not is_same_project(registered_origin, state.created_at):
        raise RegistryError(
            f"another project {project_id} was attached here before, in another Label Studio or before its database was "
            f"recreated: run galaxyloop project forget {project_id}, then attach again"
        )
    password = settings.basic_auth_password.get_secret_value()
    extra_params = {"batch": batch} if batch else None
    try:
        with undo_on_failure(client, project_id):
            # Queue no cycle yet: the worker must not read the project before the backend is attached.
            services.registry.register_project(project_id, label_config=state.label_config, extra_params=extra_params)
            services.registry.set_origin(project_id, origin)
            live = services.registry.version(project_id, services.registry.project(project_id).live_version)
            attach_backend(
                client,
                project_id,
                url=settings.public_url,
                title=live.name,
                basic_auth=(settings.basic_auth_user, password) if password else None,
                webhook_secret=settings.webhook_secret.get_secret_value() or None,
                extra_params=extra_params,
            )
            set_uncertainty_sampling(client, project_id)
    except BaseException:
        if registered_origin is None:  # registered above, or by a request of Label Studio to the backend since
            with suppress(ProjectInUseError):
                forget_project(services, project_id, patience_s=FORGET_PATIENCE_S)
        raise
    services.mark_now(project_id)
    return find_other_backend(client, project_id, url=settings.public_url)


def _read_registered_origin(services: Services, project_id: int) -> str | None:
    """Return the origin of the registered project of this number, None if there is none."""
    try:
        return services.registry.project(project_id).origin
    except RegistryError:
        return None

"""Make a version live, pin it or remove the pin, on demand of a user: what the commands and the page of a project do."""

from __future__ import annotations

from backend.registry.damage import find_version_damage
from backend.registry.records import RegistryError, Version
from backend.services import Services

__all__ = ["DamagedVersionError", "make_live", "pin", "unpin"]


class DamagedVersionError(RuntimeError):
    """The files of the version are damaged; the message names the version, the file and the damage."""


def make_live(services: Services, project_id: int, name: str) -> Version:
    """Make a version live and request a cycle, in which the worker stores its predictions.

    Parameters
    ----------
    services : Services
    project_id : int
    name : str
        Name of the version, as `Registry.version_named` takes it.

    Raises
    ------
    RegistryError
        If the project or the version does not exist, or the version was made for another labelling config.
    DamagedVersionError
        If its files are damaged.
    """
    registry = services.registry
    registry.project(project_id)
    version = registry.version_named(project_id, name)
    if reason := find_version_damage(registry, project_id, version.number):
        raise DamagedVersionError(f"{version.name} of project {project_id} is damaged and cannot go live: {reason}")
    registry.promote(project_id, version.number)
    services.mark_now(project_id)
    return version


def pin(services: Services, project_id: int, name: str = "") -> Version:
    """Pin the live version, so that the gate makes no other one live; with a name, make that version live first.

    Raises
    ------
    RegistryError, DamagedVersionError
        As `make_live`.
    """
    registry = services.registry
    before = registry.project(project_id)
    registry.set_pinned(project_id, True)  # first, so that the worker makes no other version live in between
    try:
        if name and registry.version_named(project_id, name).number != before.live_version:
            make_live(services, project_id, name)
    except (RegistryError, DamagedVersionError):
        registry.set_pinned(project_id, before.pinned)
        raise
    return registry.version(project_id, registry.project(project_id).live_version)


def unpin(services: Services, project_id: int) -> Version:
    """Remove the pin; return the live version, which the next better one replaces.

    Raises
    ------
    RegistryError
        If the project does not exist.
    """
    project = services.registry.project(project_id)
    services.registry.set_pinned(project_id, False)
    return services.registry.version(project_id, project.live_version)

"""Versions whose files were damaged after they were made: noticed before use, and replaced by the last good one.

What is damaged stays where it is: restored from a backup, it can be brought back with `galaxyloop rollback`.
"""

from __future__ import annotations

import logging

from backend.registry.records import BASE_NUMBER, DAMAGED, RETIRED, Version, config_hash
from backend.registry.store import Registry
from backend.registry.version_files import damage_of

__all__ = ["damage_in_words", "replace_damaged", "stand_ins", "version_damage"]

log = logging.getLogger("galaxyloop.damage")


def version_damage(registry: Registry, project_id: int, number: int) -> str:
    """Check all files that a version needs, those of the versions that it takes heads from among them.

    Returns
    -------
    str
        What is wrong, with the file; empty where nothing is.

    Raises
    ------
    RegistryError
        If the version does not exist.
    """
    sources = {number, *registry.version(project_id, number).heads.values()} - {BASE_NUMBER}
    damages = (damage_of(registry.path(project_id, source)) for source in sorted(sources))
    return next(filter(None, damages), "")


def stand_ins(registry: Registry, project_id: int, *, label_config: str) -> list[Version]:
    """List what can answer in the live version's place: those that were live, the newest first, then the base version."""
    fitting = config_hash(label_config)
    versions = registry.versions(project_id)
    retired = [version for version in versions if version.verdict == RETIRED and version.config_hash == fitting]
    return [*reversed(retired), *(version for version in versions if version.number == BASE_NUMBER)]


def replace_damaged(registry: Registry, project_id: int, *, holder: str) -> str:
    """Let the last good version go live where the live one's files are damaged.

    Parameters
    ----------
    holder : str
        Name of the lease that the project is held by.

    Returns
    -------
    str
        What was done, in one sentence; empty where the live version is whole.

    Raises
    ------
    LeaseLostError
        If another worker has taken over.
    """
    project = registry.project(project_id)
    reason = version_damage(registry, project_id, project.live_version)
    if not reason:
        return ""
    # Noted first: killed here, the next cycle finds the same damage and goes on.
    registry.note_damage(project_id, project.live_version, reason=reason, holder=holder)
    earlier = stand_ins(registry, project_id, label_config=project.label_config)
    good = next(version for version in earlier if not version_damage(registry, project_id, version.number))
    registry.promote(project_id, good.number, holder=holder)
    names = project.live_name, good.name
    log.error("event=damaged_version_replaced project=%d version=%s live=%s reason=%r", project_id, *names, reason)
    return f"{project.live_name} is damaged ({reason}): {good.name} is live in its place"


def damage_in_words(registry: Registry, project_id: int) -> list[str]:
    """Say of a project's live version, and of later ones, whether their files are damaged and what to do."""
    project = registry.project(project_id)
    damages = []
    for version in registry.versions(project_id):
        named = f"project {project_id}: {version.name}"
        if version.number == project.live_version:
            if reason := version_damage(registry, project_id, version.number):
                damages.append(f"{named} is live and damaged ({reason}); the last good one answers, and the worker promotes it")
        elif version.verdict == DAMAGED and version.number > project.live_version:
            remedy = f"restore the file and run galaxyloop rollback {project_id} {version.name}, or let it train again"
            damages.append(f"{named} is damaged ({version.evidence['reason']}): {remedy}")
    return damages

"""Versions whose files were damaged after training: detected before use, and replaced by the last undamaged version.

The damaged files are kept: after a restore from a backup, `galaxyloop rollback` makes the version live again.
"""

from __future__ import annotations

import logging

from backend.registry.records import BASE_NUMBER, DAMAGED, RETIRED, Version, config_hash
from backend.registry.store import Registry
from backend.registry.version_files import find_damage

__all__ = ["describe_damage", "find_version_damage", "list_replacements", "replace_damaged"]

log = logging.getLogger("galaxyloop.damage")


def find_version_damage(registry: Registry, project_id: int, number: int) -> str:
    """Check all files that a version needs, also in the folders of other versions whose heads it uses.

    Returns
    -------
    str
        The damaged file and the damage; empty if there is none.

    Raises
    ------
    RegistryError
        If the version does not exist.
    """
    sources = {number, *registry.version(project_id, number).heads.values()} - {BASE_NUMBER}
    damages = (find_damage(registry.path(project_id, source)) for source in sorted(sources))
    return next(filter(None, damages), "")


def list_replacements(registry: Registry, project_id: int, *, label_config: str) -> list[Version]:
    """List the versions that can replace the live one: formerly live versions, the newest first, then the base version."""
    fitting = config_hash(label_config)
    versions = registry.versions(project_id)
    retired_versions = [version for version in versions if version.verdict == RETIRED and version.config_hash == fitting]
    return [*reversed(retired_versions), *(version for version in versions if version.number == BASE_NUMBER)]


def replace_damaged(registry: Registry, project_id: int, *, holder: str) -> str:
    """Make the last undamaged version live if the files of the live version are damaged.

    Parameters
    ----------
    registry : Registry
    project_id : int
    holder : str
        Name of the lease that holds the project.

    Returns
    -------
    str
        The replacement, in one sentence; empty if the live version is undamaged.

    Raises
    ------
    LeaseLostError
        If another worker has taken over.
    """
    project = registry.project(project_id)
    reason = find_version_damage(registry, project_id, project.live_version)
    if not reason:
        return ""
    # Noted before the promotion: if the process is killed between the two, the next cycle detects the same damage and promotes.
    registry.record_damage(project_id, project.live_version, reason=reason, holder=holder)
    earlier = list_replacements(registry, project_id, label_config=project.label_config)
    undamaged_version = next(version for version in earlier if not find_version_damage(registry, project_id, version.number))
    registry.promote(project_id, undamaged_version.number, holder=holder)
    names = project.live_name, undamaged_version.name
    log.error("event=damaged_version_replaced project=%d version=%s live=%s reason=%r", project_id, *names, reason)
    return f"{project.live_name} is damaged ({reason}): {undamaged_version.name} is live in its place"


def describe_damage(registry: Registry, project_id: int) -> list[str]:
    """Describe the damage of a project's live version and of later versions, one sentence each, with the remedy."""
    project = registry.project(project_id)
    damages = []
    for version in registry.versions(project_id):
        title = f"project {project_id}: {version.name}"
        if version.number == project.live_version:
            if reason := find_version_damage(registry, project_id, version.number):
                damages.append(
                    f"{title} is live and damaged ({reason}); the last undamaged version predicts, and the worker makes it live"
                )
        elif version.verdict == DAMAGED and version.number > project.live_version:
            remedy = f"restore the file and run galaxyloop rollback {project_id} {version.name}, or let it train again"
            damages.append(f"{title} is damaged ({version.evidence['reason']}): {remedy}")
    return damages

"""Check of the projects' versions: their files must match their checksums."""

from __future__ import annotations

from backend.doctor.report import Check, report_failure, report_success
from backend.registry.damage import describe_damage
from backend.registry.store import Registry

__all__ = ["check_versions"]


def check_versions(registry: Registry) -> Check:
    """Check the files of each project's live version, and report later versions that are damaged."""
    name = "versions"
    projects = registry.projects()
    damages = [sentence for project in projects for sentence in describe_damage(registry, project.id)]
    if damages:
        return report_failure(name, "; ".join(damages))
    return report_success(name, f"the files of {len(projects)} live versions are unchanged")

"""From rows of the registry's tables to the records that other code reads."""

from __future__ import annotations

from sqlalchemy import func, select

from backend.registry.records import BASE, FIRST_ENCODER, Effort, Project, Version
from backend.registry.tables import ProjectRow, VersionRow

__all__ = ["PROJECTS", "project_of", "version_of"]

PROJECTS = select(ProjectRow, VersionRow.name).join(
    VersionRow, (VersionRow.project_id == ProjectRow.id) & (VersionRow.number == func.coalesce(ProjectRow.live_version, 1))
)
"""Query of the projects, each with the name of its live version."""


def project_of(row: ProjectRow, live_name: str) -> Project:
    """Return a project's record."""
    return Project(
        id=row.id,
        label_config=row.label_config,
        extra_params=dict(row.extra_params),
        live_version=row.live_version or 1,
        live_name=live_name,
        published_version=row.published_version,
        published_tasks=row.published_tasks,
        training_requested_at=row.training_requested_at,
        status=row.status,
        status_at=row.status_at,
        origin=row.origin,
        away=row.away,
        away_since=row.away_since,
        pinned=row.pinned,
        encoder=row.encoder,
    )


def version_of(row: VersionRow) -> Version:
    """Return a version's record."""
    return Version(
        project_id=row.project_id,
        number=row.number,
        name=row.name,
        created_at=row.created_at,
        config_hash=row.config_hash,
        fingerprint=row.fingerprint,
        learned_from=row.learned_from,
        verdict=row.verdict,
        evidence=dict(row.evidence),
        effort={control: Effort(**figures) for control, figures in row.effort.items()},
        heads={control: int(number) for control, number in row.heads.items()},
        encoder="" if row.verdict == BASE else row.encoder or FIRST_ENCODER,
    )

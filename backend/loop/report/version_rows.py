"""One row per shown version: its scores, its change since the version before, and the effort with its predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from backend.loop.effort.store import EffortStore
from backend.loop.report.inputs import ReportInputs
from backend.loop.report.versions import ShownVersion
from backend.registry.records import Effort
from backend.reports.estimate import Estimate, Metric
from backend.reports.report import VersionReport
from sync.labelling.config import Control

__all__ = ["version_rows"]


def version_rows(
    inputs: ReportInputs,
    control: Control,
    versions: Sequence[ShownVersion],
    *,
    metrics: Mapping[int, Mapping[Metric, Estimate]],
    changes: Mapping[int, Estimate],
) -> list[VersionReport]:
    """Return the rows of a control, by number of the version.

    Parameters
    ----------
    metrics : mapping
        Number of a version to its scores.
    changes : mapping
        Number of a version to the agreement of its predictions with those of the version before it.
    """
    seconds = EffortStore(inputs.services.engine).median_seconds(inputs.project.id)
    rows = []
    for version in sorted((entry.version for entry in versions), key=lambda version: version.number):
        effort = version.effort.get(control.name, Effort())
        rows.append(
            VersionReport(
                number=version.number,
                name=version.name,
                created_at=version.created_at,
                labels=version.learned_from,
                metrics=dict(metrics.get(version.number, {})),
                change=changes.get(version.number),
                accepted=effort.accepted / effort.predicted_count if effort.predicted_count else None,
                median_seconds=seconds.get(version.number),
            )
        )
    return rows

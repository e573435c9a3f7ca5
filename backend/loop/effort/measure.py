"""The meter: keeps what annotators did with each version's predictions up to date, at no cost where nothing has changed.

Whatever the ledger has not seen as it stands now is measured: one small request an annotation, for the prediction that it was
begun from.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from backend.loop.effort.compare import compare_regions
from backend.loop.effort.store import EffortStore, Entry
from backend.prediction.factory import read_config
from backend.prediction.project_heads import controls_to_fill
from backend.registry.records import Project
from backend.services import Services
from sync.label_studio.annotations import Annotation
from sync.label_studio.parents import find_parent, has_parent

__all__ = ["A_CYCLE", "measure_effort"]

log = logging.getLogger("galaxyloop.meter")

A_CYCLE = 300
"""Annotations measured in one cycle, the newest first: a request takes Label Studio up to 0.07 s, and a project with thousands
of annotations that were never measured must not keep its next batch waiting for minutes."""


def measure_effort(services: Services, project: Project, annotations: Sequence[Annotation]) -> int:
    """Measure the annotations that are new or have changed, and forget those that are gone; return how many were measured.

    Raises
    ------
    LabelStudioUnavailable
        If Label Studio went away: nothing was written, the next cycle measures.
    """
    effort_store = EffortStore(services.engine)
    known = effort_store.stamps(project.id)
    submitted = {one.id: one for one in annotations if not one.was_cancelled}
    gone = {id_ for id_, stamp in known.items() if id_ not in submitted or submitted[id_].updated_at != stamp}
    fresh = [one for one in submitted.values() if known.get(one.id) != one.updated_at and has_parent(one)]
    fresh = sorted(fresh, key=lambda one: one.updated_at, reverse=True)[:A_CYCLE]
    if not fresh and not gone:
        return 0
    versions = {version.name: version.number for version in services.registry.versions(project.id)}
    controls = controls_to_fill(read_config(project.label_config))
    entries = []
    for annotation in fresh:
        parent = find_parent(services.label_studio, annotation)
        if parent is None or parent.version not in versions:
            entries.append(Entry(annotation.id, annotation.updated_at, None))
            continue
        effort = compare_regions(parent.result, annotation.result, controls)
        entries.append(Entry(annotation.id, annotation.updated_at, versions[parent.version], effort))
    effort_store.enter(project.id, entries, gone=gone)
    log.info("event=metered project=%d measured=%d forgotten=%d", project.id, len(entries), len(gone))
    return len(entries)

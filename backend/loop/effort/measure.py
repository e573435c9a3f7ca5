"""Measures what annotators did with each version's predictions.

Only annotations that are new or have changed are measured, with one small request each, for the prediction that the annotation
was begun from.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from backend.loop.effort.compare import compare_regions
from backend.loop.effort.store import EffortStore, Entry
from backend.prediction.factory import read_config
from backend.prediction.project_heads import controls_to_predict
from backend.registry.records import Project
from backend.services import Services
from sync.label_studio.annotations import Annotation
from sync.label_studio.parents import find_parent, has_parent

__all__ = ["ANNOTATIONS_PER_CYCLE", "measure_effort"]

log = logging.getLogger("galaxyloop.effort")

ANNOTATIONS_PER_CYCLE = 300
"""Annotations measured in one cycle, the newest first: a request takes Label Studio up to 0.07 s, and thousands of annotations
that were never measured must not delay the next batch by minutes."""


def measure_effort(services: Services, project: Project, annotations: Sequence[Annotation]) -> int:
    """Measure annotations that are new or have changed, and delete the entries of others; return how many were measured.

    Raises
    ------
    LabelStudioUnavailable
        If Label Studio does not answer: nothing is written, and the next cycle measures.
    """
    effort_store = EffortStore(services.engine)
    stored_stamps = effort_store.stamps(project.id)
    annotations_by_id = {annotation.id: annotation for annotation in annotations if not annotation.was_cancelled}
    outdated_ids = {
        id_
        for id_, stamp in stored_stamps.items()
        if id_ not in annotations_by_id or annotations_by_id[id_].updated_at != stamp
    }
    new_annotations = [
        annotation
        for annotation in annotations_by_id.values()
        if stored_stamps.get(annotation.id) != annotation.updated_at and has_parent(annotation)
    ]
    new_annotations = sorted(new_annotations, key=lambda annotation: annotation.updated_at, reverse=True)[
        :ANNOTATIONS_PER_CYCLE
    ]
    if not new_annotations and not outdated_ids:
        return 0
    versions = {version.name: version.number for version in services.registry.versions(project.id)}
    controls = controls_to_predict(read_config(project.label_config))
    entries = []
    for annotation in new_annotations:
        parent = find_parent(services.label_studio, annotation)
        if parent is None or parent.version not in versions:
            entries.append(Entry(annotation.id, annotation.updated_at, None))
            continue
        effort = compare_regions(parent.result, annotation.result, controls)
        number, seconds = versions[parent.version], annotation.lead_time
        entries.append(Entry(annotation.id, annotation.updated_at, number, effort, seconds))
    effort_store.write(project.id, entries, outdated_ids=outdated_ids)
    log.info("event=effort_measured project=%d measured=%d forgotten=%d", project.id, len(entries), len(outdated_ids))
    return len(entries)

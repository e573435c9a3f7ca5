"""Make the report of a project at the end of a cycle, if something has changed since the stored one.

It comes after publication and prefetch, so no annotator waits for it, and it stops when an event arrives. Features are read
from the cache and the number of images is bounded, so the time hardly grows with the number of tasks.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence

from sqlalchemy.exc import DatabaseError

from backend.jobs.lease import Lease, LeaseLostError
from backend.loop.audit import divide_snapshot
from backend.loop.examples.project_examples import gather_project_examples
from backend.loop.examples.snapshot import Snapshot
from backend.loop.report.cross_validated import predict_out_of_fold
from backend.loop.report.embedded_control import ClassControl, EmbeddedControl, NumberControl
from backend.loop.report.embedded_figures import EmbeddedFigures, make_embedded_figures
from backend.loop.report.embedding_map import make_map
from backend.loop.report.embeddings import EmbeddingReader
from backend.loop.report.galleries import (
    show_confusions,
    show_disagreements,
    show_missed_objects,
    show_uncertain,
    show_uncertain_objects,
)
from backend.loop.report.inputs import Check, ReportInputs
from backend.loop.report.memory import ReportMemory
from backend.loop.report.object_figures import ObjectFigures, make_object_figures
from backend.loop.report.problems import ENOUGH_GALAXIES, find_problems
from backend.loop.report.task_sample import sample_tasks
from backend.loop.report.versions import ShownVersion, read_versions
from backend.prediction.factory import read_config
from backend.prediction.project_heads import controls_to_predict
from backend.registry.records import Project
from backend.reports.report import Gallery, Map, Report
from backend.reports.store import ReportStore
from backend.services import Services
from sync.controls import CONTROLS, Kind
from sync.errors.failures import RunError
from sync.label_studio.tasks import Task
from sync.labelling.config import Control

__all__ = ["update_report"]

log = logging.getLogger("galaxyloop.report")

PATIENCE_S = 900.0
"""Age of the stored report from which on an event does not stop the next one, nor the first one: annotators who never pause get
figures, too."""


class _EventArrived(Exception):  # noqa: N818  (not an error)
    """An event has arrived: the next cycle makes the report."""


def update_report(
    services: Services,
    project: Project,
    snapshot: Snapshot,
    *,
    tasks: Sequence[Task],
    scores: Mapping[int, float | None],
    memory: ReportMemory,
    lease: Lease,
) -> bool:
    """Make and store the report of a project, unless the stored one is of the same versions, annotations and tasks.

    A failure is logged and named in the stored report; it never ends a cycle.

    Parameters
    ----------
    snapshot : Snapshot
        Current annotations.
    tasks : sequence of Task
        All tasks of the project.
    scores : mapping
        Task id to the score of its stored prediction, as far as known.
    memory : ReportMemory
        Results of earlier cycles; those of this one are added.
    lease : Lease

    Returns
    -------
    bool
        Whether a report was stored.

    Raises
    ------
    LeaseLostError
        If another worker has taken over.
    """
    store, start_s = ReportStore(services.engine), time.monotonic()
    previous = store.read(project.id)
    state = _state(services, project, snapshot, tasks)
    if previous is not None and previous.state == state:
        return False
    check = _check(services, project, lease, interruptible=previous is not None and time.time() - previous.made_at < PATIENCE_S)
    try:
        inputs = _gather(services, project, snapshot, tasks=tasks, scores=scores, check=check)
        report = _make_report(inputs, memory, state=state)
    except _EventArrived:
        return False
    except (LeaseLostError, DatabaseError, RunError):
        raise
    except Exception as error:  # the loop goes on without figures
        log.error("event=report_failed project=%d error=%r", project.id, str(error), exc_info=error)
        report = previous or Report(project=project.id, made_at=time.time(), live=project.live_version, tasks=len(tasks))
        problem = f"The newest figures could not be computed ({type(error).__name__}); the log of the worker has the reason."
        report = report.model_copy(update={"state": state, "problems": [problem]})
    store.write(report)
    log.info("event=report_made project=%d tasks=%d seconds=%.1f", project.id, len(tasks), time.monotonic() - start_s)
    return True


def _state(services: Services, project: Project, snapshot: Snapshot, tasks: Sequence[Task]) -> str:
    """Return what the report depends on."""
    newest = services.registry.versions(project.id)[-1].number
    done_count = sum(task.annotated for task in tasks)
    return f"{project.live_version} {newest} {snapshot.fingerprint} {len(tasks)} {done_count}"


def _check(services: Services, project: Project, lease: Lease, *, interruptible: bool) -> Check:
    pending = services.pending_events.pending()

    def check() -> None:
        if lease.is_set():
            raise LeaseLostError(f"project {project.id} was taken over by another worker")
        if interruptible and services.pending_events.pending() != pending:
            raise _EventArrived

    return check


def _gather(
    services: Services,
    project: Project,
    snapshot: Snapshot,
    *,
    tasks: Sequence[Task],
    scores: Mapping[int, float | None],
    check: Check,
) -> ReportInputs:
    config = read_config(project.label_config)
    controls = controls_to_predict(config)
    parts = divide_snapshot(services, project, snapshot, tasks=tasks)
    annotations = (*parts.training, *parts.validation)
    truth = gather_project_examples(annotations, config, controls, predictors=services.predictors)
    return ReportInputs(services, project, config, controls, tasks, parts, truth, scores, check)


def _make_report(inputs: ReportInputs, memory: ReportMemory, *, state: str) -> Report:
    versions = read_versions(inputs)
    reader = EmbeddingReader(inputs.predictors, inputs.check, inputs.encoder)
    embedded_figures, objects = _make_figures(inputs, versions, reader, memory)
    galleries, drawn_map = _make_galleries(inputs, versions, embedded_figures, objects, reader, memory)
    reports = [*(figures.report for _, figures in embedded_figures), *(figures.report for figures in objects)]
    by_name = {report.name: report for report in reports}
    return Report(
        project=inputs.project.id,
        made_at=time.time(),
        live=inputs.project.live_version,
        state=state,
        tasks=len(inputs.tasks),
        annotated=len(inputs.labelled_at),
        training=len(inputs.training_tasks),
        held_out=len(inputs.held_out_tasks),
        controls=[by_name[control.name] for control in inputs.controls],
        galleries=galleries,
        map=drawn_map,
        problems=find_problems(inputs),
    )


def _make_figures(
    inputs: ReportInputs, versions: Sequence[ShownVersion], reader: EmbeddingReader, memory: ReportMemory
) -> tuple[list[tuple[EmbeddedControl, EmbeddedFigures]], list[ObjectFigures]]:
    embedded_figures: list[tuple[EmbeddedControl, EmbeddedFigures]] = []
    objects: list[ObjectFigures] = []
    for control in inputs.controls:
        adapter = _adapter(inputs, control)
        if adapter is None:
            objects.append(make_object_figures(inputs, control, versions, memory.matches, memory.clicks))
        else:
            embedded_figures.append((adapter, make_embedded_figures(inputs, adapter, versions, reader)))
    return embedded_figures, objects


def _adapter(inputs: ReportInputs, control: Control) -> EmbeddedControl | None:
    kind = CONTROLS[control.tag].KIND
    if kind is Kind.OBJECTS:
        return None
    return (ClassControl if kind is Kind.CLASSES else NumberControl)(control, inputs.predictors)


def _make_galleries(
    inputs: ReportInputs,
    versions: Sequence[ShownVersion],
    embedded_figures: Sequence[tuple[EmbeddedControl, EmbeddedFigures]],
    objects: Sequence[ObjectFigures],
    reader: EmbeddingReader,
    memory: ReportMemory,
) -> tuple[list[Gallery], Map | None]:
    """Make the galleries and the map; of several controls for classes, the first one's tasks are shown."""
    galleries: list[Gallery | None] = []
    drawn_map: Map | None = None
    thumbnails = memory.thumbnails
    first = next((pair for pair in embedded_figures if isinstance(pair[0], ClassControl)), next(iter(embedded_figures), None))
    if first is not None:
        control, figures = first
        sample = sample_tasks(inputs, control.control, reader)
        drawn_map = make_map(inputs, control, sample)
        head = next((version.heads for version in versions if version.version.number == inputs.project.live_version), None)
        predictions = control.predict(head.by_control.get(control.control.name) if head else None, sample.inputs)
        if isinstance(control, ClassControl) and predictions is not None:
            galleries.append(show_uncertain(inputs, control, predictions, sample, thumbnails))
        scored_images, answers = figures.scored_images, figures.predictions
        if (
            scored_images.galaxies < ENOUGH_GALAXIES
            and (cross_validated := predict_out_of_fold(inputs, control, reader)) is not None
        ):
            scored_images, answers = cross_validated
        if answers is not None:
            galleries.append(show_disagreements(inputs, control, scored_images, answers, thumbnails))
            if isinstance(control, ClassControl):
                galleries += show_confusions(inputs, control, scored_images, answers, thumbnails)
    else:
        galleries.append(show_uncertain_objects(inputs, thumbnails))
    galleries += [show_missed_objects(inputs, figures, thumbnails) for figures in objects]
    return [gallery for gallery in galleries if gallery is not None], drawn_map

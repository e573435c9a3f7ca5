"""One cycle of the loop: read the annotations, train if `decide` requires it, run the gate, publish, measure the effort, prune.

Each step reads the current state and does what is missing. So a cycle that was killed at any point can be run again: a version
that was trained goes to the gate and is not trained again, and stored predictions are not stored twice.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from backend.heads import NotEnoughLabels
from backend.jobs.lease import Lease, LeaseLostError
from backend.loop.audit import divide_snapshot
from backend.loop.effort.measure import measure_effort
from backend.loop.encoders.embed_ahead import embed_ahead
from backend.loop.encoders.postponement import find_postponement
from backend.loop.encoders.target import find_target
from backend.loop.examples.snapshot import Snapshot, read_stamps, take_snapshot
from backend.loop.examples.unreadable import note_problems
from backend.loop.extra_params import read_batch
from backend.loop.gate.gate import run_gate
from backend.loop.next_step import CycleState, Restore, Wait, decide, trained_versions
from backend.loop.publication.prefetch import prefetch
from backend.loop.publication.publish import prune_old, publish
from backend.loop.queue.order import Queue, order_queue, own_scores
from backend.loop.report.make import update_report
from backend.loop.session import ProjectSession
from backend.loop.training.train import train
from backend.registry.damage import find_version_damage, replace_damaged
from backend.registry.records import TRAINED, PinnedError, Project, Version, config_hash
from backend.registry.unreadable import UnreadableList
from backend.services import Services
from sync.label_studio.projects import project_state
from sync.label_studio.tasks import Task

__all__ = ["batch_size", "run_cycle"]

log = logging.getLogger("galaxyloop.cycle")


@dataclass(frozen=True, slots=True)
class _CycleInputs:
    """Inputs of training and the gate in one cycle.

    Attributes
    ----------
    requested_at : float or None
        Time of a request to train that was made before the annotations were read. The next cycle handles a later request, so
        that it trains on all annotations that were submitted before the request.
    """

    services: Services
    project_id: int
    snapshot: Snapshot
    tasks: Sequence[Task]
    lease: Lease
    encoder: str
    requested_at: float | None

    @property
    def project(self) -> Project:
        """The current state of the project: a training takes minutes, in which a user may roll back."""
        return self.services.registry.project(self.project_id)


def run_cycle(services: Services, session: ProjectSession, lease: Lease) -> str:
    """Run one cycle.

    Parameters
    ----------
    services : Services
    session : ProjectSession
    lease : Lease
        Lease of the project; after it is lost, no version goes live.

    Returns
    -------
    str
        What was done, or why nothing was, in one sentence for `galaxyloop status`.

    Raises
    ------
    LabelStudioUnavailable
        If Label Studio cannot be reached; the results of completed steps are kept.
    LeaseLostError
        If another worker has acquired the lease.
    """
    registry, client, project_id = services.registry, services.label_studio, session.project_id
    state = project_state(client, project_id)
    project = registry.register_project(project_id, label_config=state.label_config, extra_params=None)
    annotations = session.reader.read(label_config=state.label_config)
    tasks = session.reader.tasks
    snapshot = take_snapshot(annotations)
    left_out = note_problems(services, project, snapshot.annotations, readings=session.readings)
    outcomes = [replace_damaged(registry, project_id, holder=lease.name)]
    target = find_target(services, registry.project(project_id))
    embed = partial(
        embed_ahead, services, project, tasks, target.chosen_encoder, pairs_done=session.embedded_pairs, lease=lease
    )
    is_ready = not target.is_switch or embed(seconds=0).is_complete
    postponement = find_postponement(services, project, target, annotations=len(snapshot.annotations))
    encoder = target.chosen_encoder if is_ready and not postponement else target.current
    inputs = _CycleInputs(services, project_id, snapshot, tasks, lease, encoder, project.training_requested_at)
    outcomes += [target.problem, _do_next_step(inputs), postponement]
    if lease.is_set():
        raise LeaseLostError(f"project {project_id} was taken over by another worker")
    project = registry.project(project_id)
    stored_predictions = publish(
        services, project, state, annotations, tasks=tasks, predictions=session.predictions[project.live_version]
    )
    outcomes.append(f"{stored_predictions} predictions stored" if stored_predictions else "")
    measure_effort(services, project, annotations)
    project = registry.project(project_id)  # a user may have rolled back during publication
    batch = batch_size(project, default=services.settings.batch)
    predictions = session.predictions[project.live_version]
    outcomes.append(order_queue(services, Queue(project, tasks, snapshot, predictions, batch, lease)))
    scores: Mapping[int, float | None] = predictions.scores
    prefetch(services, project, tasks, sampling=state.sampling, scores=scores, done_pairs=session.prefetched_pairs, lease=lease)
    prune_old(services, registry.project(project_id), annotations, lease)
    scores = own_scores(services, project, scores)
    update_report(services, project, snapshot, tasks=tasks, scores=scores, memory=session.report, lease=lease)
    if not is_ready:
        progress = embed()
        outcomes.append(f"embedded for the encoder {target.spec}: {progress.count_done} of {progress.total} images")
        services.mark_now(project_id)  # the next cycle embeds further images, or switches
    if left_out:
        listing = f"galaxyloop project problems {project_id}"
        outcomes.append(f"tasks left out, since annotations cannot be read: {left_out} ({listing})")
    return "; ".join(filter(None, outcomes))


def batch_size(project: Project, *, default: int) -> int:
    """Return the number of changed annotations that start a training.

    Parameters
    ----------
    project : Project
        With ``{"batch": 25}`` in its `extra_params` the number is 25.
    default : int
        The number for a project without a valid ``batch``.
    """
    return read_batch(project.extra_params) or default


def _do_next_step(inputs: _CycleInputs) -> str:
    """Do the next step of the project: gate, training, restoring a version, or nothing; return its outcome."""
    services, registry, outcome = inputs.services, inputs.services.registry, ""
    project = inputs.project
    for version in registry.versions(project.id):
        if version.verdict == TRAINED:  # the worker was killed between its training and the gate
            outcome = _apply_gate(inputs, version)
    project = inputs.project
    step = decide(_state(inputs, project))
    number = None
    if isinstance(step, Wait):
        outcome = outcome or step.reason
    elif isinstance(step, Restore):
        registry.promote(project.id, step.version.number, holder=inputs.lease.name)
        outcome = f"{step.version.name} is live again: it was made for this labelling config"
    else:
        snapshot = divide_snapshot(services, project, inputs.snapshot, tasks=inputs.tasks)
        try:
            number = train(
                services,
                project,
                snapshot,
                allow_none=step.config_changed,
                encoder=inputs.encoder,
                holder=inputs.lease.name,
            )
        except NotEnoughLabels as error:
            outcome = f"not trained: {error}"
    if inputs.requested_at is not None:  # last: after a kill during training, the next cycle trains
        registry.clear_training_request(project.id, requested_at=inputs.requested_at)
    return outcome if number is None else _apply_gate(inputs, registry.version(project.id, number))


def _state(inputs: _CycleInputs, project: Project) -> CycleState:
    registry, snapshot = inputs.services.registry, inputs.snapshot
    versions = registry.versions(project.id)
    earlier_versions = trained_versions(versions)
    stamps = read_stamps(registry.path(project.id, earlier_versions[-1].number)) if earlier_versions else {}
    return CycleState(
        versions,
        project.live_version,
        config_hash=config_hash(project.label_config),
        fingerprint=snapshot.fingerprint,
        changes=snapshot.changes_since(stamps),
        batch=batch_size(project, default=inputs.services.settings.batch),
        training_requested=inputs.requested_at is not None,
        encoder=inputs.encoder,
    )


def _apply_gate(inputs: _CycleInputs, version: Version) -> str:
    """Promote or reject a trained version; return the outcome with its reason."""
    services, project, holder = inputs.services, inputs.project, inputs.lease.name
    registry = services.registry
    if version.config_hash != config_hash(project.label_config):
        reason = "it was trained for another labelling config"
        registry.reject(project.id, version.number, evidence={"reason": reason}, holder=holder)
        return f"{version.name} was rejected: {reason}"
    if reason := find_version_damage(registry, project.id, version.number):
        registry.record_damage(project.id, version.number, reason=reason, holder=holder)
        return f"{version.name} is damaged and was not compared ({reason})"
    snapshot = divide_snapshot(services, project, inputs.snapshot, tasks=inputs.tasks)
    verdict = run_gate(services, project, version, snapshot, project_tasks=inputs.tasks)
    evidence = verdict.evidence | {"left_out": UnreadableList(services.engine).tasks_left_out(project.id)}
    goes_live, reason = verdict.goes_live, verdict.reason
    if goes_live:
        # A pin does not keep a version whose labelling config has changed: its predictions no longer fit.
        live = registry.version(project.id, project.live_version)
        fits = live.config_hash == version.config_hash
        try:
            registry.promote(
                project.id, version.number, evidence=evidence, heads=verdict.heads, holder=holder, unless_pinned=fits
            )
        except PinnedError as error:
            goes_live, reason = False, f"{error}, or it would have gone live: {reason}"
            # With the heads that the gate chose, so that a user who makes the version live gets these.
            registry.reject(
                project.id, version.number, evidence=evidence | {"reason": reason}, heads=verdict.heads, holder=holder
            )
    else:
        registry.reject(project.id, version.number, evidence=evidence, holder=holder)
    outcome = "promoted" if goes_live else "rejected"
    log.info("event=version_%s project=%d version=%s reason=%r", outcome, project.id, version.name, reason)
    return f"{version.name} {'went live' if goes_live else 'was rejected'}: {reason}"

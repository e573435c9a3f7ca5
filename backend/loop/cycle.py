"""One turn of the loop: read the annotations, train when a batch has gathered, judge, go live, publish, measure the effort.

Each step looks at what is there and does what is missing, so a cycle that was killed anywhere is simply run again: a version
that was trained is judged and not trained again, one that is live is published on, a stored prediction is not stored twice.
"""

from __future__ import annotations

import logging

from backend.heads import NotEnoughLabels
from backend.jobs.lease import Lease, LeaseLostError
from backend.loop.audit import divide
from backend.loop.effort.measure import measure_effort
from backend.loop.examples.snapshot import Snapshot, read_stamps, take_snapshot
from backend.loop.examples.unreadable import note_problems
from backend.loop.gate.gate import judge
from backend.loop.publication.prefetch import prefetch
from backend.loop.publication.publish import prune_old, publish
from backend.loop.training.train import train
from backend.registry.damage import replace_damaged, version_damage
from backend.registry.records import DAMAGED, RETIRED, Project, Version, config_hash
from backend.registry.unreadable import UnreadableList
from backend.services import Services
from sync.label_studio.projects import project_state

__all__ = ["run_cycle"]

log = logging.getLogger("galaxyloop.cycle")


def run_cycle(services: Services, project_id: int, lost: Lease) -> str:
    """Run one cycle.

    Parameters
    ----------
    lost : Tenure
        Set when another worker has taken the project over; then nothing goes live any more.

    Returns
    -------
    str
        What was done, or why nothing was, in one sentence for `galaxyloop status`.

    Raises
    ------
    LabelStudioUnavailable
        If Label Studio cannot be reached; everything done so far stays done.
    LeaseLostError
        If another worker has taken over.
    """
    registry, client = services.registry, services.label_studio
    state = project_state(client, project_id)
    project = registry.register_project(project_id, label_config=state.label_config, extra_params=None)
    annotations = services.annotations(project_id, label_config=state.label_config)
    snapshot = take_snapshot(annotations)
    left_out = note_problems(services, project, snapshot.annotations)
    replaced = replace_damaged(registry, project_id, holder=lost.name)
    outcome = _learn(services, registry.project(project_id), snapshot, lost)
    outcome = f"{replaced}; {outcome}" if replaced else outcome
    if lost.is_set():
        raise LeaseLostError(f"project {project_id} was taken over by another worker")
    stored = publish(services, registry.project(project_id), state, annotations)
    measure_effort(services, project, annotations)
    prefetch(services, registry.project(project_id), services.tasks(project_id), state, lost)
    prune_old(services, registry.project(project_id), annotations, lost)
    outcome += f"; {stored} predictions stored" if stored else ""
    if left_out:
        outcome += f"; tasks left out, since annotations cannot be read: {left_out} (galaxyloop project problems {project_id})"
    return outcome


def _learn(services: Services, project: Project, snapshot: Snapshot, lost: Lease) -> str:
    """Train and judge if there is reason to; say what came of it."""
    registry = services.registry
    said = ""
    for version in registry.versions(project.id):
        if version.verdict == "trained":  # a kill came between its training and its judgement
            said = _judge(services, registry.project(project.id), version, snapshot, lost)
    live = registry.version(project.id, registry.project(project.id).live_version)
    versions = [version for version in registry.versions(project.id) if version.verdict not in ("base", DAMAGED)]
    config = config_hash(project.label_config)
    outdated = live.config_hash != config
    fitting = [version for version in versions if version.config_hash == config]
    same = next((version for version in fitting if version.fingerprint == snapshot.fingerprint), None)
    reason = _reason_to_wait(services, project, snapshot, versions) if same is None else f"nothing new since {same.name}"
    if same is not None and outdated:
        # One that was live under this config: what the gate has rejected stays out.
        were_live = [one for one in registry.versions(project.id) if one.verdict in ("base", RETIRED)]
        said = _bring_back(services, project.id, [one for one in were_live if one.config_hash == config] or [same], lost)
    if same is not None or (reason and not outdated):
        _forget_request(services, project)
        return said or reason
    try:
        number = train(services, project, divide(services, project, snapshot), allow_none=outdated, holder=lost.name)
    except NotEnoughLabels as error:
        _forget_request(services, project)
        return f"not trained: {error}"
    _forget_request(services, project)
    return _judge(services, registry.project(project.id), registry.version(project.id, number), snapshot, lost)


def _judge(services: Services, project: Project, version: Version, snapshot: Snapshot, lost: Lease) -> str:
    """Let a trained version go live or keep it out; say which and why."""
    if version.config_hash != config_hash(project.label_config):
        reason = "it was made for another labelling config"
        services.registry.reject(project.id, version.number, evidence={"reason": reason}, holder=lost.name)
        return f"{version.name} was rejected: {reason}"
    if reason := version_damage(services.registry, project.id, version.number):
        services.registry.note_damage(project.id, version.number, reason=reason, holder=lost.name)
        return f"{version.name} is damaged and was not judged ({reason})"
    tasks = services.tasks(project.id)
    verdict = judge(services, project, version, divide(services, project, snapshot), project_tasks=tasks)
    evidence = verdict.evidence | {"left_out": UnreadableList(services.engine).tasks_left_out(project.id)}
    if verdict.goes_live:
        services.registry.promote(project.id, version.number, evidence=evidence, heads=verdict.heads, holder=lost.name)
    else:
        services.registry.reject(project.id, version.number, evidence=evidence, holder=lost.name)
    log.info(
        "event=judged project=%d version=%s live=%s reason=%r",
        project.id,
        version.name,
        verdict.goes_live,
        verdict.reason,
    )
    return f"{version.name} {'went live' if verdict.goes_live else 'was rejected'}: {verdict.reason}"


def _bring_back(services: Services, project_id: int, fitting: list[Version], lost: Lease) -> str:
    """Let the newest of the versions that fit the labelling config go live: an earlier config has come back."""
    newest = fitting[-1]
    services.registry.promote(project_id, newest.number, holder=lost.name)
    return f"{newest.name} is live again: it was made for this labelling config"


def _forget_request(services: Services, project: Project) -> None:
    """Note that a training that was asked for before this cycle began has been answered; a later request stays."""
    if project.training_requested:
        services.registry.forget_request(project.id)


def _reason_to_wait(services: Services, project: Project, snapshot: Snapshot, versions: list[Version]) -> str:
    """Say why there is no training yet; empty when there is to be one."""
    newest = versions[-1] if versions else None
    stamps = read_stamps(services.registry.path(project.id, newest.number)) if newest else {}
    changes, batch = snapshot.changes_since(stamps), batch_size(project, default=services.settings.batch)
    if project.training_requested or changes >= batch:
        return ""
    return f"{changes} of {batch} changed annotations gathered since {newest.name if newest else project.live_name}"


def batch_size(project: Project, *, default: int) -> int:
    """Annotations that make a training: the project's `extra_params` `{"batch": 25}` go before the setting."""
    batch = project.extra_params.get("batch", default)
    return batch if isinstance(batch, int) and not isinstance(batch, bool) and batch > 0 else default

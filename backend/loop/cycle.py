"""One turn of the loop: read the annotations, train when a batch has gathered, judge, go live, publish.

Each step looks at what is there and does what is missing, so a cycle that was killed anywhere is simply run again: a version
that was trained is judged and not trained again, one that is live is published on, a stored prediction is not stored twice.
"""

from __future__ import annotations

import logging
import threading

from backend.heads import NotEnoughLabels
from backend.loop.gate import judge
from backend.loop.lease import LeaseLostError
from backend.loop.publish import prune_old, publish
from backend.loop.snapshot import Snapshot, read_stamps, take_snapshot
from backend.loop.train import train
from backend.registry import Project, Version, config_hash, version_name
from backend.services import Services
from sync.projects import project_state

__all__ = ["run_cycle"]

log = logging.getLogger("galaxyloop.cycle")


def run_cycle(services: Services, project_id: int, lost: threading.Event) -> str:
    """Run one cycle.

    Parameters
    ----------
    lost : Event
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
    project = registry.meet_project(project_id, label_config=state.label_config, extra_params=None)
    annotations = services.annotations(project_id)
    snapshot = take_snapshot(annotations)
    outcome = _learn(services, project, snapshot, lost)
    if lost.is_set():
        raise LeaseLostError(f"project {project_id} was taken over by another worker")
    stored = publish(services, registry.project(project_id), state)
    prune_old(services, registry.project(project_id), annotations)
    return outcome + (f"; {stored} predictions stored" if stored else "")


def _learn(services: Services, project: Project, snapshot: Snapshot, lost: threading.Event) -> str:
    """Train and judge if there is reason to; say what came of it."""
    registry = services.registry
    versions = [version for version in registry.versions(project.id) if version.verdict != "base"]
    config = config_hash(project.label_config)
    outdated = registry.version(project.id, project.live_version).config_hash != config
    candidate = next((one for one in versions if one.fingerprint == snapshot.fingerprint and one.config_hash == config), None)
    if candidate is None:
        reason = _reason_to_wait(services, project, snapshot, versions)
        if reason and not outdated:
            return reason
        try:
            number = train(services, project, snapshot, allow_none=outdated)
        except NotEnoughLabels as error:
            registry.forget_request(project.id)
            return f"not trained: {error}"
        candidate = registry.version(project.id, number)
    registry.forget_request(project.id)
    if candidate.verdict != "trained":
        return f"nothing new since {candidate.name}"
    if lost.is_set():
        raise LeaseLostError(f"project {project.id} was taken over by another worker")
    verdict = judge(services, project, candidate, snapshot)
    if verdict.better:
        registry.promote(project.id, candidate.number, evidence=verdict.evidence)
    else:
        registry.reject(project.id, candidate.number, evidence=verdict.evidence)
    log.info(
        "event=judged project=%d version=%s live=%s reason=%r",
        project.id,
        candidate.name,
        verdict.better,
        verdict.reason,
    )
    return f"{candidate.name} {'went live' if verdict.better else 'was rejected'}: {verdict.reason}"


def _reason_to_wait(services: Services, project: Project, snapshot: Snapshot, versions: list[Version]) -> str:
    """Say why there is no training yet; empty when there is to be one."""
    newest = versions[-1] if versions else None
    stamps = read_stamps(services.registry.path(project.id, newest.number)) if newest else {}
    changes, batch = snapshot.changes_since(stamps), batch_size(project, default=services.settings.batch)
    if project.training_requested or changes >= batch:
        return ""
    return f"{changes} of {batch} changed annotations gathered since {newest.name if newest else version_name(1)}"


def batch_size(project: Project, *, default: int) -> int:
    """Annotations that make a training: the project's `extra_params` `{"batch": 25}` go before the setting."""
    batch = project.extra_params.get("batch", default)
    return batch if isinstance(batch, int) and not isinstance(batch, bool) and batch > 0 else default

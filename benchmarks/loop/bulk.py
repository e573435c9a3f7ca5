"""Two measurements of the loop: pre-labelling of a project, and the time from a batch to new predictions."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from benchmarks.loop.fixture import ASK_EVERY_S, LabelStudioFixture
from sync.label_studio.projects import project_state
from sync.label_studio.tasks import Task

__all__ = ["BATCH", "Prelabelling", "Turnaround", "measure_prelabelling", "measure_turnaround"]

BATCH = 10
"""Annotations per batch, the product's default."""
RETRIEVE = "/api/dm/actions?id=retrieve_tasks_predictions&project={}"


@dataclass(frozen=True, slots=True)
class Prelabelling:
    """Seconds for all tasks of one project.

    Attributes
    ----------
    cold_s : float
        The worker's publication with an empty cache: images are fetched, decoded, embedded, and sources extracted.
    warm_s : list of float
        The worker's publication with a full cache, one number per round.
    retrieve_s : list of float
        Label Studio's "retrieve predictions", with the same server, version and cache, one number per round.
    """

    config: str
    tasks: int
    cold_s: float
    warm_s: list[float]
    retrieve_s: list[float]

    @property
    def ratio(self) -> float:
        """Return the speed-up of the worker's publication, both with a full cache, medians."""
        return median(self.retrieve_s) / median(self.warm_s)


@dataclass(frozen=True, slots=True)
class Turnaround:
    """Seconds from the answer to a batch's last submit.

    Attributes
    ----------
    live_s : float
        Until the new version is trained and the gate has decided.
    first_s : float or None
        Until the first of its predictions is stored; None if the version was rejected.
    all_s : float or None
        Until all of them are stored and the backend is renamed.
    """

    config: str
    tasks: int
    batch: int
    live_s: float
    first_s: float | None
    all_s: float | None


def measure_prelabelling(fixture: LabelStudioFixture, config: str, *, tasks: int, rounds: int) -> Prelabelling:
    """Pre-label a project with an empty cache, then alternately with a full cache and by Label Studio's own action."""
    project = fixture.project(config, tasks=tasks)
    fixture.attach(project)
    fixture.rest()
    fixture.forget_images()
    cold = _publish(fixture, project, tasks)
    warm, retrieve = [], []
    for _ in range(rounds):
        with fixture.suspended_worker():
            fixture.forget_predictions(project, 1)
        warm.append(_publish(fixture, project, tasks))
        with fixture.suspended_worker():
            fixture.forget_predictions(project, 1)
            began = time.monotonic()
            all_tasks = {"selectedItems": {"all": True, "excluded": []}, "project": str(project)}
            fixture.client.send("POST", RETRIEVE.format(project), json=all_tasks)
            retrieve.append(time.monotonic() - began)
            _check(fixture, project, tasks)
        fixture.rest()
    return Prelabelling(config, tasks, cold, warm, retrieve)


def _publish(fixture: LabelStudioFixture, project: int, tasks: int) -> float:
    """Promote the base version, as `galaxyloop rollback` does, and wait until the worker has stored its predictions."""
    began = time.monotonic()
    fixture.services.registry.promote(project, 1)
    fixture.services.mark_now(project)
    fixture.wait_until(lambda: fixture.is_published(project), "the predictions to be stored")
    took = time.monotonic() - began
    _check(fixture, project, tasks)
    fixture.rest()
    return took


def _check(fixture: LabelStudioFixture, project: int, tasks: int) -> None:
    stored_count = fixture.count_stored(project, 1)
    if stored_count != tasks:
        raise RuntimeError(f"{stored_count} predictions were stored for {tasks} tasks of project {project}")


def measure_turnaround(fixture: LabelStudioFixture, config: str, *, tasks: int, batches: int) -> Iterator[Turnaround]:
    """Submit batches, each when the predictions of the previous one are stored."""
    project = fixture.project(config, tasks=tasks)
    fixture.attach(project)
    fixture.services.mark_now(project)
    fixture.wait_until(lambda: fixture.is_published(project), "the first predictions to be stored")
    order = np.random.default_rng(0).permutation(np.array(fixture.tasks(project), dtype=object)).tolist()
    for batch in range(1, batches + 1):
        fixture.rest()
        versions, live = len(fixture.services.registry.versions(project)), fixture.find_project(project).live_name
        task_ids = order[(batch - 1) * BATCH : batch * BATCH]
        bodies = [_annotation(fixture, task, version=live) for task in task_ids]
        for task, body in zip(task_ids, bodies, strict=True):
            fixture.client.send("POST", f"/api/tasks/{task.id}/annotations/", json=body)
        yield _watch(fixture, config, project, tasks=tasks, batch=batch, number=versions + 1)


def _watch(fixture: LabelStudioFixture, config: str, project: int, *, tasks: int, batch: int, number: int) -> Turnaround:
    """Record the times of version `number` from the last submit, which is now, to its last prediction."""
    began = time.monotonic()
    registry = fixture.services.registry

    def is_decided() -> bool:
        return any(
            version.number == number and version.verdict in ("live", "rejected") for version in registry.versions(project)
        )

    fixture.wait_until(is_decided, f"version {number} of project {project} to be trained and judged")
    live_s = time.monotonic() - began
    if registry.version(project, number).verdict == "rejected":
        return Turnaround(config, tasks, batch, live_s, None, None)
    fixture.wait_until(
        lambda: fixture.count_stored(project, number) > 0, "the first predictions to be stored", every_s=ASK_EVERY_S
    )
    first_s = time.monotonic() - began
    fixture.wait_until(lambda: fixture.is_published(project), "all predictions to be stored")
    all_s = time.monotonic() - began
    stored_count, expected = fixture.count_stored(project, number), tasks - batch * BATCH
    if stored_count != expected or project_state(fixture.client, project).model_version != fixture.name_of(project, number):
        raise RuntimeError(
            f"{stored_count} of {expected} predictions of version {number} were stored, or the backend not renamed"
        )
    return Turnaround(config, tasks, batch, live_s, first_s, all_s)


def _annotation(fixture: LabelStudioFixture, task: Task, *, version: str) -> dict[str, Any]:
    """Return a task's prediction as a simulated annotator submits it: the same objects, the class by the crop's brightness."""
    predictions = fixture.client.get("/api/predictions/", task=task.id)
    prediction = next(candidate for candidate in predictions if candidate["model_version"] == version)
    result = [dict(region, origin="prediction") for region in prediction["result"]]
    for region in result:
        if region["type"] == "choices":
            region["value"] = {"choices": ["Spiral" if task.data["image"] in fixture.bright else "Elliptical"]}
    return {"result": result, "lead_time": 5.0, "parent_prediction": prediction["id"]}

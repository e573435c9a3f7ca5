"""Kill server and worker repeatedly while annotations are submitted; then count lost annotations and damaged versions."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from dataclasses import dataclass

import httpx

from backend.loop.examples.snapshot import read_stamps
from backend.registry.version_files import find_damage
from benchmarks.loop.fixture import LabelStudioFixture, wait_until
from sync.label_studio.annotations import read_annotations
from sync.label_studio.predictions import count_predictions, predicted_tasks

__all__ = ["Kills", "measure_kills"]

CONFIG = "morphology.xml"
PAUSES_S = (0.3, 6.0)
"""Range of the pause between two kills: from less than a start to more than a training."""


@dataclass(frozen=True, slots=True)
class Kills:
    """Counts after the kills.

    Attributes
    ----------
    kills : int
    annotations : int
        Submitted annotations.
    lost : int
        Submitted annotations that the last version was not trained on.
    versions : int
        Trained versions.
    doubled_versions, damaged_versions : int
        Names that two versions have; versions whose files differ from their checksums.
    doubled_predictions : int
        Surplus predictions of the live version, on tasks that have more than one.
    """

    kills: int
    annotations: int
    lost: int
    versions: int
    doubled_versions: int
    damaged_versions: int
    doubled_predictions: int


def measure_kills(fixture: LabelStudioFixture, *, kills: int, annotations: int) -> Kills:
    """Submit `annotations` while `kills` processes are killed, and wait until no event is pending."""
    project = fixture.project(CONFIG, tasks=annotations)
    fixture.attach(project)
    fixture.services.mark([project])
    submitting = threading.Thread(target=_submit, args=(fixture, project, kills), daemon=True)
    submitting.start()
    dice = random.Random(0)
    for _ in range(kills):
        time.sleep(dice.uniform(*PAUSES_S))
        victim = dice.choice(fixture.children)
        os.killpg(victim.pid, signal.SIGKILL)
        victim.start()
    submitting.join()
    wait_until(lambda: _is_served(fixture), "the server to answer", fixture.children, every_s=0.5)
    fixture.rest()
    fixture.services.request_training(project)
    fixture.rest()
    return _count(fixture, project, kills)


def _submit(fixture: LabelStudioFixture, project: int, kills: int) -> None:
    """Submit one annotation per task, spread over the time that the kills take."""
    tasks = fixture.tasks(project)
    pause = kills * sum(PAUSES_S) / 2 / len(tasks)
    for task in tasks:
        label = "Elliptical" if task.data["image"] in fixture.bright else "Spiral"
        region = {"from_name": "morphology", "to_name": "image", "type": "choices", "value": {"choices": [label]}}
        fixture.client.send("POST", f"/api/tasks/{task.id}/annotations/", json={"result": [region]})
        time.sleep(pause)


def _is_served(fixture: LabelStudioFixture) -> bool:
    try:
        return httpx.get(f"{fixture.services.settings.public_url}/health", timeout=2, trust_env=False).is_success
    except httpx.TransportError:
        return False


def _count(fixture: LabelStudioFixture, project: int, kills: int) -> Kills:
    registry, client = fixture.services.registry, fixture.client
    versions = [version for version in registry.versions(project) if version.verdict != "base"]
    annotation_ids = {note.id for note in read_annotations(client, project)}
    trained_on = set(read_stamps(registry.path(project, versions[-1].number))) if versions else set()
    live = registry.project(project).live_name
    names = Counter(version.name for version in versions)
    return Kills(
        kills=kills,
        annotations=len(annotation_ids),
        lost=len(annotation_ids - trained_on),
        versions=len(versions),
        doubled_versions=sum(count > 1 for count in names.values()),
        damaged_versions=sum(bool(find_damage(registry.path(project, version.number))) for version in versions),
        doubled_predictions=count_predictions(client, project, live) - len(predicted_tasks(client, project, live)),
    )

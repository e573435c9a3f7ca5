"""The change of class predictions of a head, on annotated and on other tasks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from backend.heads.classification.morphology import Morphology
from backend.heads.inputs import HeadInputs
from backend.loop.gate.change import ProjectTasks, change_of_classes
from backend.prediction.control_models import ClassModel
from backend.services import Services
from sync.label_studio.tasks import Task
from sync.labelling.config import parse
from tests.backend.loop.gate.embeddings import embed

CONFIG = parse(
    '<View><Image name="image" value="$image"/><Choices name="mood" toName="image">'
    '<Choice value="Calm"/><Choice value="Wild"/></Choices></View>'
)
CONTROL = CONFIG.controls[0]


class Galaxies:
    """Large galaxies, annotated, and small ones, not annotated; heads fitted on shares of a class in each kind."""

    def __init__(self, services: Services, files: Any, png: Callable[..., bytes]) -> None:
        self.base = services.predictors.base
        references = [
            files.put(f"/data/upload/7/{number}.png", png(spots=((100, 50, 18 if number < 8 else 4),), seed=number))
            for number in range(16)
        ]
        self.embeddings = np.stack(embed(services, references))
        tasks = [
            Task(number, {"image": reference}, number < 8, int(number < 8), "") for number, reference in enumerate(references)
        ]
        tasks.append(Task(99, {"image": ""}, False, 0, ""))
        tasks.append(Task(100, {"image": "/data/upload/7/missing.png"}, False, 0, ""))
        self.project = ProjectTasks(tasks, CONFIG, services.predictors)

    def model(self, *, wild_large: float, wild_small: float) -> ClassModel:
        """Return a head fitted with these shares of "wild" among large and small galaxies."""
        wild = np.repeat([wild_large, wild_small], 8)
        targets, labels = np.stack([1 - wild, wild], axis=1), [label.value for label in CONTROL.labels]
        return ClassModel(CONTROL, Morphology.fit(self.embeddings, targets, classes=labels, exclusive=True), self.base)


@pytest.fixture
def galaxies(predicting: Services, files: Any, png: Callable[..., bytes]) -> Galaxies:
    return Galaxies(predicting, files, png)


@pytest.mark.slow
def test_an_equal_head_changes_nothing(galaxies: Galaxies) -> None:
    head = galaxies.model(wild_large=0, wild_small=1)
    assert [change_of_classes(head, head, galaxies.project, only_annotated=each) for each in (False, True)] == [0, 0]


def test_a_head_that_differs_on_small_galaxies_changes_their_tasks(galaxies: Galaxies) -> None:
    live, new = galaxies.model(wild_large=0, wild_small=1), galaxies.model(wild_large=0, wild_small=0.3)
    other_change = change_of_classes(new, live, galaxies.project, only_annotated=False)
    annotated_change = change_of_classes(new, live, galaxies.project, only_annotated=True)
    assert other_change > 2 * annotated_change
    small = HeadInputs.of_images(galaxies.embeddings[8:])
    difference = new.probabilities(small) - live.probabilities(small)
    assert other_change == pytest.approx((difference**2).sum(axis=1).mean() / 2)


def test_without_readable_tasks_the_change_is_zero(galaxies: Galaxies) -> None:
    project = ProjectTasks(galaxies.project.tasks[-2:], CONFIG, galaxies.project.predictors)
    live, new = galaxies.model(wild_large=0, wild_small=1), galaxies.model(wild_large=1, wild_small=0)
    assert change_of_classes(new, live, project, only_annotated=False) == 0

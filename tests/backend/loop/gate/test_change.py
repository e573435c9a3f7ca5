"""The change of class predictions of a head, on annotated and on other tasks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from backend.heads.classification.morphology import Morphology
from backend.loop.gate.change import ProjectTasks, change_of_classes
from backend.prediction.control_models import ClassModel
from backend.services import Services
from sync.label_studio.tasks import Task
from sync.labelling.config import parse

CONFIG = parse(
    '<View><Image name="image" value="$image"/><Choices name="mood" toName="image">'
    '<Choice value="Calm"/><Choice value="Wild"/></Choices></View>'
)
CONTROL = CONFIG.controls[0]


class Pictures:
    """Large galaxies, annotated, and small ones, not annotated; heads fitted on shares of a class in each kind."""

    def __init__(self, services: Services, files: Any, png: Callable[..., bytes]) -> None:
        self.base = services.predictors.base_morphology
        references = [
            files.put(f"/data/upload/7/{number}.png", png(spots=((100, 50, 18 if number < 8 else 4),), seed=number))
            for number in range(16)
        ]
        seen = services.predictors.extractor.extract_features(references, embed=True)
        self.embeddings = np.stack([one.embedding for one in seen])
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
def pictures(predicting: Services, files: Any, png: Callable[..., bytes]) -> Pictures:
    return Pictures(predicting, files, png)


def test_the_same_head_changes_nothing(pictures: Pictures) -> None:
    head = pictures.model(wild_large=0, wild_small=1)
    assert [change_of_classes(head, head, pictures.project, annotated=each) for each in (False, True)] == [0, 0]


def test_a_head_that_turns_the_small_galaxies_round_changes_the_tasks_that_show_them(pictures: Pictures) -> None:
    live, taken = pictures.model(wild_large=0, wild_small=1), pictures.model(wild_large=0, wild_small=0.3)
    others = change_of_classes(taken, live, pictures.project, annotated=False)
    compared = change_of_classes(taken, live, pictures.project, annotated=True)
    assert others > 2 * compared
    difference = taken.probabilities(pictures.embeddings[8:]) - live.probabilities(pictures.embeddings[8:])
    assert others == pytest.approx((difference**2).sum(axis=1).mean() / 2)


def test_without_a_task_that_can_be_read_nothing_changes(pictures: Pictures) -> None:
    project = ProjectTasks(pictures.project.tasks[-2:], CONFIG, pictures.project.predictors)
    live, taken = pictures.model(wild_large=0, wild_small=1), pictures.model(wild_large=1, wild_small=0)
    assert change_of_classes(taken, live, project, annotated=False) == 0

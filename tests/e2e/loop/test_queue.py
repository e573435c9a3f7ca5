"""The order of the queue on a real Label Studio: uncertainty sampling serves the front of the ranking."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from backend.prediction.prediction import LEAST_SCORE
from backend.registry.task_queues import TaskQueues
from sync.label_studio.tasks import read_tasks

if TYPE_CHECKING:
    from tests.e2e.loop.conftest import Loop, Project


@pytest.fixture(scope="module")
def project(loop: Loop) -> Project:
    """Return a predicted project in which three images are shown by two tasks each."""
    project = loop.new_project()
    project.import_again(3)
    loop.wait_until(lambda: project.predicted_by(project.name_of(1)) == project.tasks, "all tasks predicted", project)
    project.wait_until_quiet()
    return project


def front_of(project: Project) -> tuple[int, ...]:
    front = TaskQueues(project.loop.services.engine).front(project.id)
    assert front.is_placed
    return front.tasks


def next_task(project: Project) -> int:
    """Return the task that Label Studio serves next."""
    return int(project.loop.client.get(f"/api/projects/{project.id}/next")["id"])


def tile_of(project: Project, task: int) -> str:
    (data,) = (task_record.data for task_record in read_tasks(project.loop.client, project.id) if task_record.id == task)
    return re.findall(r"tile-\d+", str(data))[0]


def prediction_ids(project: Project) -> set[int]:
    return {int(row["id"]) for row in project.loop.client.get("/api/predictions/", project=project.id)}


def test_label_studio_serves_the_front_in_its_order(project: Project) -> None:
    front = front_of(project)
    assert len(front) > 10
    scores = {prediction.task: prediction.score for prediction in project.predictions}
    assert sorted(scores, key=scores.__getitem__)[: len(front)] == list(front)
    assert all(score >= LEAST_SCORE for task, score in scores.items() if task not in front)
    assert next_task(project) == front[0]


def test_the_front_shows_no_image_twice(project: Project) -> None:
    held_out = project.held_out
    tiles = [tile_of(project, task) for task in front_of(project) if task not in held_out]
    assert len(tiles) == len(set(tiles))


def test_after_a_request_the_similar_galaxy_is_next_and_predictions_keep_ids(project: Project) -> None:
    project.annotate([next_task(project)], "Spiral")  # Label Studio serves a task again until it is submitted
    project.wait_until_quiet()
    similar_task = next(task for task in reversed(front_of(project)) if project.kind(task) == 1)
    before = prediction_ids(project)
    assert "the request is stored" in project.loop.command(
        "similar", str(project.id), "--task", str(similar_task), "--limit", "5"
    )
    project.wait_until_quiet()
    assert f"ordered by similarity to the task {similar_task}" in project.record.status
    front = front_of(project)
    assert len(front) == 5
    assert next_task(project) == front[0] != similar_task
    assert project.kind(front[0]) == 1, "tiles of the same kind have a large galaxy in the foreground"
    assert prediction_ids(project) == before
    project.loop.command("similar", str(project.id), "--clear")
    project.wait_until_quiet()
    assert "ordered by dropquery" in project.record.status
    project.assert_sound()


def test_a_task_of_another_project_is_a_wrong_call(project: Project) -> None:
    assert "has no task 999999" in project.loop.command("similar", str(project.id), "--task", "999999", code=2)

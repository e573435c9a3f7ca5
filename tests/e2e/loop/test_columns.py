"""The loop on a real Label Studio, with catalogue columns: classes that follow from a colour, and not from the image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sync.label_studio.tasks import read_tasks

if TYPE_CHECKING:
    from tests.e2e.loop.conftest import Loop, Project

RED, BLUE = "Star or artifact", "Can't tell"
BATCH = 16


def colour_of(task: int) -> float:
    """Return g - r, which is red for half of the tasks of either kind of image."""
    return 0.9 if task // 2 % 2 else 0.3


@pytest.fixture
def project(loop: Loop) -> Project:
    def add_columns(project: Project) -> None:
        for task in read_tasks(loop.client, project.id):
            magnitude = 17 + task.id % 7 * 0.3
            columns = {"mag_r": magnitude, "mag_g": magnitude + colour_of(task.id) + task.id % 5 * 0.02, "mag_i": 99}
            loop.client.send("PATCH", f"/api/tasks/{task.id}/", json={"data": {**task.data, **columns}})

    return loop.new_project(batch=BATCH, before_attaching=add_columns)


def answer(project: Project, task: int, label: str) -> None:
    region: dict[str, Any] = {"id": "c1", "from_name": "morphology", "to_name": "image", "type": "choices"}
    result = [region | {"value": {"choices": [label]}}]
    project.loop.client.send("POST", f"/api/tasks/{task}/annotations/", json={"result": result})


def test_columns_are_learned_and_named_in_the_predictions(project: Project) -> None:
    tasks = [task for task in project.tasks if task not in project.held_out]
    for task in tasks[:BATCH]:
        answer(project, task, RED if colour_of(task) > 0.6 else BLUE)
    version = project.wait_for_version(2)
    inputs = version.evidence["controls"]["morphology"]["inputs"]
    assert inputs["used"] == ["columns"]
    assert inputs["compared"][0]["loss"] < inputs["compared"][0]["image_loss"]

    predictions = [prediction for prediction in project.predictions if prediction.version == version.name]
    assert {prediction.task for prediction in predictions} == set(project.to_do())
    for prediction in predictions:
        (region,) = prediction.result
        assert region["value"]["choices"] == [RED if colour_of(prediction.task) > 0.6 else BLUE]
        assert "columns" in region["meta"]["used"]
        assert "catalogue columns" in region["meta"]["text"][0]

    # A changed column is another input: the task is predicted again. Without columns the image answers.
    red = next(prediction.task for prediction in predictions if colour_of(prediction.task) > 0.6)
    (changed_task,) = read_tasks(project.loop.client, project.id, task_ids=[red])
    client = project.loop.client
    client.send("PATCH", f"/api/tasks/{red}/", json={"data": {**changed_task.data, "mag_g": "none", "mag_r": -99}})
    project.press_start_training()

    def read_inputs_used() -> list[str]:
        results = [each.result for each in project.predictions if (each.task, each.version) == (red, version.name)]
        return results[0][0]["meta"]["used"] if results else []

    project.loop.wait_until(lambda: read_inputs_used() == ["image"], "predicted from the image", project)

    project.loop.command("rollback", str(project.id), project.name_of(1))
    project.wait_for_version(1)
    base = [prediction for prediction in project.predictions if prediction.version == project.name_of(1)]
    assert not any("meta" in region for prediction in base for region in prediction.result)
    project.assert_sound()

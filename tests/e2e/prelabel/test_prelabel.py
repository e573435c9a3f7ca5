"""`galaxyloop prelabel PROJECT`: selection and order of the tasks, engines, and publication of the predictions."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from typer.testing import Result

from sync.label_studio.client import LabelStudioClient
from sync.label_studio.projects import project_state
from sync.label_studio.tasks import read_tasks
from tests.e2e.prelabel.stored import each_once, is_base, predictions, task_of

TILES = 16


def annotate(client: LabelStudioClient, task: int) -> None:
    region = {"id": "c1", "from_name": "morphology", "to_name": "image", "type": "choices", "value": {"choices": ["Spiral"]}}
    client.send("POST", f"/api/tasks/{task}/annotations/", json={"result": [region]})


def test_annotators_see_predictions_without_an_attached_backend(
    run: Callable[..., Result], client: LabelStudioClient, new_project: Callable[..., int]
) -> None:
    project = new_project()
    summary = json.loads(run(project, "--json").stdout)
    assert (summary["stored"], summary["known"], summary["shown"], summary["left_out"]) == (TILES, 0, True, {})
    assert is_base(project_state(client, project).model_version)


def test_only_unlabelled_leaves_out_annotated_tasks(
    run: Callable[..., Result], client: LabelStudioClient, new_project: Callable[..., int]
) -> None:
    project = new_project()
    first, *others = (task.id for task in read_tasks(client, project))
    annotate(client, first)
    assert run(project, "--only-unlabelled").exit_code == 0
    assert sorted(prediction["task"] for prediction in predictions(client, project)) == others
    assert is_base(project_state(client, project).model_version)


def test_the_most_uncertain_tasks_are_predicted_first(
    run: Callable[..., Result], client: LabelStudioClient, new_project: Callable[..., int]
) -> None:
    project = new_project()
    assert run(project, "--order", "uncertain", "--limit", 5).exit_code == 0
    first = {prediction["task"]: prediction["score"] for prediction in predictions(client, project)}
    assert len(first) == 5
    assert run(project).exit_code == 0
    others = [prediction["score"] for prediction in predictions(client, project) if prediction["task"] not in first]
    assert len(others) == TILES - 5
    assert max(first.values()) <= min(others)
    assert each_once(client, project)


def test_an_incomplete_version_is_shown_only_if_none_was_shown(
    run: Callable[..., Result], client: LabelStudioClient, new_project: Callable[..., int]
) -> None:
    project = new_project()
    run(project, "--limit", 3)
    assert is_base(project_state(client, project).model_version)
    other = new_project()
    tasks = [task.id for task in read_tasks(client, other)]
    older = [{"task": task, "result": [], "model_version": "somebody's"} for task in tasks]
    client.send("POST", f"/api/projects/{other}/import/predictions", json=older)
    client.send("PATCH", f"/api/projects/{other}/", json={"model_version": "somebody's"})
    result = run(other, "--limit", 3)
    assert project_state(client, other).model_version == "somebody's"
    assert "annotators do not see them yet" in result.stdout
    run(other)
    assert is_base(project_state(client, other).model_version)


@pytest.mark.usefixtures("ray_cluster")
def test_a_cluster_stores_the_same_predictions_as_this_process(
    run: Callable[..., Result], client: LabelStudioClient, new_project: Callable[..., int]
) -> None:
    local, remote = new_project(name="everything"), new_project(name="everything")
    assert run(local).exit_code == 0
    result = run(remote, "--engine", "ray")
    assert result.exit_code == 0, result.output
    assert each_once(client, remote)
    # Not the tasks' scores: those of held-out tasks are random, and other tasks are held out in each project.
    scores = [
        [
            region.get("score")
            for prediction in sorted(predictions(client, project), key=task_of)
            for region in prediction["result"]
        ]
        for project in (local, remote)
    ]
    assert scores[0] == pytest.approx(scores[1], abs=1e-4)

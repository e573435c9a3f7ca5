"""Predictions stored in Label Studio, beside other models' predictions and after changes of tasks and images."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from backend.loop.publication import publish
from sync.label_studio.annotations import read_annotations
from sync.label_studio.client import LabelStudioClient
from sync.label_studio.tasks import read_tasks

if TYPE_CHECKING:
    from tests.e2e.loop.conftest import Loop, Project

CLASSES = ("Star or artifact", "Can't tell")
"""The shipped head has neither of them, so that a version trained on a few labels is significantly better."""
LABELS = 12
"""Enough labels for a significant improvement after all classes are swapped."""
OTHER_MODELS = ("v0001", "v0005", "v0002-3f9a7c")


@contextmanager
def poll_shown_version(project: Project) -> Iterator[list[str | None]]:
    """Yield the successive values of the project's model version, polled by a separate client."""
    shown_versions: list[str | None] = []
    end = threading.Event()
    settings = project.loop.settings

    def poll() -> None:
        with LabelStudioClient(settings.label_studio_url, settings.label_studio_api_key.get_secret_value()) as client:
            while not end.is_set():
                version = client.get(f"/api/projects/{project.id}/")["model_version"]
                if [version] != shown_versions[-1:]:
                    shown_versions.append(version)
                time.sleep(0.02)

    thread = threading.Thread(target=poll)
    thread.start()
    try:
        yield shown_versions
    finally:
        end.set()
        thread.join()


def counts(project: Project) -> dict[str, int]:
    """Return the number of predictions in Label Studio, by version."""
    numbers: dict[str, int] = project.loop.client.get(f"/api/projects/{project.id}/model-versions/")
    return numbers


def reconcile(project: Project) -> None:
    """Run the periodic reconciliation, since the test's change causes no event."""
    project.loop.services.mark([project.id])


def result_of(project: Project, task: int, version: int = 1) -> list[Any] | None:
    """Return the regions of a task's only prediction by a version."""
    results = [
        prediction.result
        for prediction in project.predictions
        if (prediction.task, prediction.version) == (task, project.name_of(version))
    ]
    assert len(results) <= 1
    return results[0] if results else None


def import_others(project: Project) -> None:
    region = {"from_name": "morphology", "to_name": "image", "type": "choices", "value": {"choices": ["Merger"]}}
    for name in OTHER_MODELS:
        items = [{"task": task, "result": [region], "score": 0.5, "model_version": name} for task in project.tasks]
        project.loop.client.send("POST", f"/api/projects/{project.id}/import/predictions", json=items)


@pytest.fixture(scope="module")
def filled_project(loop: Loop) -> Project:
    """Return a project with other models' predictions under similar names; each test leaves version 1's predictions."""
    return loop.new_project(batch=LABELS, before_attaching=import_others)


def test_predictions_of_other_models_are_not_counted_or_shown(filled_project: Project) -> None:
    assert filled_project.predicted_by(filled_project.name_of(1)) == filled_project.tasks
    assert counts(filled_project) == {name: len(filled_project.tasks) for name in (*OTHER_MODELS, filled_project.name_of(1))}
    assert filled_project.state.model_version == filled_project.title == filled_project.name_of(1)
    assert filled_project.name_of(1) not in OTHER_MODELS


def test_imported_predictions_of_another_project_are_not_counted(loop: Loop, filled_project: Project) -> None:
    export = loop.client.get(f"/api/projects/{filled_project.id}/export", exportType="JSON", download_all_tasks="true")
    assert export

    def import_export(project: Project) -> None:
        tasks = [
            {
                "data": read.data,
                "predictions": [
                    {"result": prediction.result, "score": prediction.score, "model_version": prediction.version}
                    for prediction in filled_project.predictions
                    if prediction.task == read.id
                ],
            }
            for read in read_tasks(loop.client, filled_project.id)
        ]
        loop.client.send("POST", f"/api/projects/{project.id}/import", json=tasks)

    other = loop.new_project(before_attaching=import_export)
    assert other.name_of(1) != filled_project.name_of(1)
    assert other.predicted_by(other.name_of(1)) == other.tasks
    assert counts(other)[filled_project.name_of(1)] == len(filled_project.tasks)


def test_deleted_predictions_are_stored_again(filled_project: Project) -> None:
    first, second, *_ = filled_project.tasks
    selection = {"project": str(filled_project.id), "selectedItems": {"all": False, "included": [first, second]}}
    filled_project.loop.client.send(
        "POST", f"/api/dm/actions?id=delete_tasks_predictions&project={filled_project.id}", json=selection
    )
    assert result_of(filled_project, first) is None
    reconcile(filled_project)
    filled_project.loop.wait_until(
        lambda: result_of(filled_project, first) and result_of(filled_project, second), "predicted again", filled_project
    )
    assert filled_project.predicted_by(filled_project.name_of(1)) == filled_project.tasks


def test_a_task_with_a_changed_image_is_predicted_again_in_place(filled_project: Project) -> None:
    client = filled_project.loop.client
    first, second, *_ = read_tasks(client, filled_project.id)
    name = filled_project.name_of(1)

    def read_stored(task: int) -> dict[str, Any]:
        (prediction,) = [
            candidate for candidate in client.get("/api/predictions/", task=task) if candidate["model_version"] == name
        ]
        return dict(prediction)

    def values(prediction: dict[str, Any]) -> list[Any]:
        # Without the score, which is random for held-out tasks.
        return [region["value"] for region in prediction["result"]]

    before, other = read_stored(first.id), read_stored(second.id)
    assert values(before) != values(other)
    client.send("PATCH", f"/api/tasks/{first.id}/", json={"data": second.data})
    client.send("PATCH", f"/api/tasks/{second.id}/", json={"data": {**second.data, "note": "nothing that we read"}})
    reconcile(filled_project)
    filled_project.loop.wait_until(lambda: values(read_stored(first.id)) == values(other), "predicted again", filled_project)
    filled_project.wait_until_quiet()
    assert read_stored(first.id)["id"] == before["id"]
    # Each prediction gives its regions new ids. The time of the change may differ, since the order of the queue changes scores.
    assert [region["id"] for region in read_stored(second.id)["result"]] == [region["id"] for region in other["result"]]


def test_an_unreadable_image_is_predicted_once_it_is_readable(loop: Loop, label_studio_data: Path) -> None:
    away: list[Path] = []

    def remove_image(project: Project) -> None:
        reference = str(read_tasks(loop.client, project.id)[0].data["image"])
        away.append(label_studio_data / "media" / reference.removeprefix("/data/"))
        away[0].rename(away[0].with_suffix(".away"))

    project = loop.new_project(before_attaching=remove_image)
    task = project.tasks[0]
    assert result_of(project, task) == []
    loop.worker.stop()
    loop.worker.start()
    away[0].with_suffix(".away").rename(away[0])

    def is_predicted() -> bool:
        reconcile(project)
        return bool(result_of(project, task))

    loop.wait_until(is_predicted, "predicted again", project, every_s=1)
    project.wait_until_quiet()
    project.assert_sound()


def test_new_tasks_with_the_ids_of_deleted_ones_are_predicted(loop: Loop) -> None:
    project = loop.new_project()
    before, data = project.tasks, [task.data for task in read_tasks(loop.client, project.id)]
    all_tasks = {"project": str(project.id), "selectedItems": {"all": True, "excluded": []}}
    loop.client.send("POST", f"/api/dm/actions?id=delete_tasks&project={project.id}", json=all_tasks)
    loop.client.send("POST", f"/api/projects/{project.id}/import", json=data[::-1])
    assert set(project.tasks) & set(before), "Label Studio on SQLite gives ids again"
    loop.wait_until(lambda: project.predicted_by(project.name_of(1)) == project.tasks, "new tasks predicted", project)
    project.wait_until_quiet()
    project.assert_sound()


def test_the_shown_version_changes_directly_from_one_to_the_next(
    filled_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    services, other_counts = filled_project.loop.services, {name: counts(filled_project)[name] for name in OTHER_MODELS}
    with poll_shown_version(filled_project) as shown_versions:
        annotations = filled_project.annotate(filled_project.teachers(LABELS), *CLASSES)
        filled_project.make_live(2)
        filled_project.edit(annotations, *CLASSES[::-1])
        filled_project.make_live(3)
        monkeypatch.setattr(publish, "QUIET_BEFORE_PRUNING_S", 0.0)
        notes = read_annotations(filled_project.loop.client, filled_project.id)
        deletion = publish.prune_old(services, filled_project.record, notes, threading.Event())
        filled_project.loop.command("rollback", str(filled_project.id), filled_project.name_of(2))
        filled_project.wait_for_version(2)
    assert deletion > 0
    assert shown_versions == [filled_project.name_of(number) for number in (1, 2, 3, 2)]
    assert filled_project.name_of(1) not in counts(filled_project)
    assert {name: counts(filled_project)[name] for name in OTHER_MODELS} == other_counts
    filled_project.assert_sound()

"""Incomplete pre-labelling ends with an error message or a list of the omitted tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Any

import pytest
from typer.testing import Result

from backend.prediction.bulk import Engine
from backend.prelabel import engines
from backend.registry.records import Project
from backend.services import Services
from sync.label_studio.client import LabelStudioClient
from sync.label_studio.projects import create_project
from sync.label_studio.tasks import read_tasks
from tests.e2e.prelabel.stored import each_once, predictions

MORPHOLOGY = files("labeling_configs").joinpath("morphology.xml").read_text()


def test_tasks_with_unreadable_images_are_listed_and_others_stored(
    run: Callable[..., Result], client: LabelStudioClient, new_project: Callable[..., int]
) -> None:
    project = new_project()
    client.send("POST", f"/api/projects/{project}/import", json=[{"image": "/data/upload/1/gone.png"}])
    last = max(task.id for task in read_tasks(client, project))
    result = run(project)
    assert result.exit_code == 1, result.output
    assert f"  task {last}: " in result.stderr
    assert each_once(client, project)
    client.send("PATCH", f"/api/tasks/{last}/", json={"data": read_tasks(client, project)[0].data})
    second = run(project)
    assert "tasks had one already, 1 of them replaced: images have changed" in second.stdout
    assert all(prediction["result"] for prediction in predictions(client, project))
    assert each_once(client, project)


def test_an_unknown_project_is_rejected_in_one_sentence(run: Callable[..., Result], label_studio: Any) -> None:
    assert run(999999).stderr == f"galaxyloop: Label Studio at {label_studio.url} has no project 999999\n"


def test_an_empty_project_is_rejected_in_one_sentence(run: Callable[..., Result], client: LabelStudioClient) -> None:
    project = create_project(client, "Nothing in it", MORPHOLOGY)
    assert run(project).stderr == f"galaxyloop: project {project} has no task: import images first\n"


def test_a_project_without_a_supported_control_is_rejected(run: Callable[..., Result], client: LabelStudioClient) -> None:
    xml = '<View><Image name="image" value="$image"/><TextArea name="note" toName="image"/></View>'
    project = create_project(client, "Notes only", xml)
    assert "has no control that galaxyloop predicts" in run(project).stderr


def test_a_database_that_fails_during_the_run_is_reported(
    run: Callable[..., Result],
    new_project: Callable[..., int],
    environment: dict[str, str],
    postgresql: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    local_engine = engines.local_engine

    @contextmanager
    def without_database(services: Services, project: Project) -> Iterator[Engine]:
        with local_engine(services, project) as engine:
            postgresql.stop()
            yield engine

    monkeypatch.setattr(engines, "local_engine", without_database)
    monkeypatch.setitem(environment, "GALAXYLOOP_DATABASE_URL", postgresql.emptied_database())
    try:
        result = run(new_project())
    finally:
        postgresql.start()
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert "galaxyloop: the database cannot be used any more: " in result.stderr
    assert "Traceback" not in result.stderr

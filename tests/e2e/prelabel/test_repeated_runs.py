"""One prediction per task after kills, repetitions, lost connections, and predictions stored by Label Studio itself."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from typer.testing import Result

from backend.prediction.bulk import Engine
from backend.prelabel import engines
from backend.prelabel.project import PrelabelError, TaskSelection, prelabel
from backend.registry.records import Project
from backend.services import Services
from sync.label_studio.client import LabelStudioClient
from sync.label_studio.tasks import read_tasks
from tests.e2e.prelabel.stored import count_stored, each_once, predictions

TILES = 16
MANY = 900
SLOW = """
import sys
import backend.prediction.bulk
from backend.cli.app import app

backend.prediction.bulk.FIRST_CHUNK = 64  # a chunk a batch: many moments to be killed at
backend.prediction.bulk.LARGEST_CHUNK = 64
app(["prelabel", *sys.argv[1:]])
"""


def test_every_task_gets_one_prediction_and_a_second_run_adds_none(
    run: Callable[..., Result], client: LabelStudioClient, new_project: Callable[..., int]
) -> None:
    project = new_project()
    first = run(project)
    assert first.exit_code == 0, first.output
    assert re.match(rf"{TILES} predictions of v0001-\w+ stored", first.stdout)
    assert each_once(client, project)
    second = run(project)
    assert second.exit_code == 0, second.output
    assert re.fullmatch(rf"0 predictions of v0001-\w+ stored, {TILES} tasks had one already\n", second.stdout)
    assert each_once(client, project)


def test_a_killed_run_continues_without_duplicates(
    environment: dict[str, str],
    client: LabelStudioClient,
    new_project: Callable[..., int],
    run: Callable[..., Result],
    wait: Callable[..., Any],
) -> None:
    project = new_project(MANY)
    command = [sys.executable, "-c", SLOW, str(project)]
    process = subprocess.Popen(command, env=os.environ | environment, start_new_session=True, stderr=subprocess.DEVNULL)
    try:
        wait(lambda: count_stored(client, project) or process.poll() is not None, "the first are stored", timeout_s=120)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert 0 < count_stored(client, project) < MANY
    second_result = run(project)
    assert second_result.exit_code == 0, second_result.output
    assert each_once(client, project)


def test_no_prediction_of_a_version_that_is_no_longer_live_is_stored(
    services: Services, new_project: Callable[..., int], client: LabelStudioClient
) -> None:
    project = new_project()

    @contextmanager
    def promote_meanwhile(run_services: Services, of: Project) -> Iterator[Engine]:
        registry = run_services.registry
        with engines.local_engine(run_services, of) as engine:
            with registry.create_version(of.id, label_config=of.label_config, fingerprint="f", learned_from=1) as (
                folder,
                number,
            ):
                (folder / "heads.json").write_text("{}")
            registry.promote(of.id, number)
            yield engine

    sentence = rf"v0002-\w+ went live while v0001-\w+ predicted: run galaxyloop prelabel {project} again"
    with pytest.raises(PrelabelError, match=sentence):
        prelabel(
            services, project, TaskSelection(), open_engine=promote_meanwhile, progress=lambda batches, title, total: batches
        )
    assert predictions(client, project) == []


def test_the_next_run_deletes_a_duplicate_prediction(
    run: Callable[..., Result], client: LabelStudioClient, new_project: Callable[..., int]
) -> None:
    project = new_project()
    run(project)
    first, second, *_ = predictions(client, project)
    second_result = [
        {name: prediction[name] for name in ("task", "result", "score", "model_version")} for prediction in (first, second)
    ]
    client.send("POST", f"/api/projects/{project}/import/predictions", json=second_result)
    result = run(project)
    assert result.exit_code == 0, result.output
    assert f"were deleted for the tasks {first['task']}, {second['task']} (2 in all)" in result.stdout
    assert each_once(client, project)


def test_a_task_that_is_opened_during_the_run_has_one_prediction(
    services: Services, client: LabelStudioClient, new_project: Callable[..., int]
) -> None:
    """Label Studio requests a prediction for an opened task, and stores it beside the imported one."""
    project = new_project()
    task_id = read_tasks(client, project)[0].id

    @contextmanager
    def open_task_meanwhile(run_services: Services, of: Project) -> Iterator[Engine]:
        with engines.local_engine(run_services, of) as engine:
            yield engine
        answer = {"task": task_id, "result": [], "score": 0.5, "model_version": of.live_name}
        client.send("POST", "/api/predictions/", json=answer | {"project": project})

    result = prelabel(
        services, project, TaskSelection(), open_engine=open_task_meanwhile, progress=lambda batches, title, total: batches
    )
    assert result.duplicates == [task_id]
    assert each_once(client, project)


def test_a_run_after_one_without_an_answer_stores_no_duplicates(
    run: Callable[..., Result],
    environment: dict[str, str],
    client: LabelStudioClient,
    new_project: Callable[..., int],
    impatient_proxy: tuple[str, list[threading.Timer]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A proxy times out, and Label Studio stores the import some seconds later."""
    project, (proxy, late) = new_project(), impatient_proxy
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(environment, "LABEL_STUDIO_URL", proxy)
        assert "Label Studio failed at POST" in run(project).stderr
    second_result = run(project)
    assert second_result.exit_code == 0, second_result.output
    assert f"project {project} is used by process {os.getpid()} on " in caplog.text
    assert len(late) == 1
    late[0].join()
    assert each_once(client, project)

"""`galaxyloop prelabel PROJECT` against the real Label Studio: one prediction a task, whatever is killed and repeated."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Any

import numpy as np
import pytest
from PIL import Image
from skimage.data import hubble_deep_field
from typer.testing import CliRunner, Result

from backend.bulk import Engine
from backend.cli import app
from backend.prelabel import engines
from backend.prelabel.project import PrelabelError, Wanted, prelabel
from backend.records import Project
from backend.services import Services
from backend.settings import Settings
from sync.client import LabelStudioClient
from sync.projects import create_project, project_state, upload_images
from sync.tasks import read_tasks

TILES = 16
TILE_PX = 64
MANY = 900
SLOW = """
import sys
import backend.bulk
from backend.cli import app

backend.bulk.FIRST_CHUNK = 64  # a chunk a batch: many moments to be killed at
backend.bulk.LARGEST_CHUNK = 64
app(["prelabel", *sys.argv[1:]])
"""


@pytest.fixture(scope="module")
def environment(label_studio: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return {
        "LABEL_STUDIO_URL": label_studio.url,
        "LABEL_STUDIO_API_KEY": label_studio.api_key,
        "GALAXYLOOP_DATA_DIR": str(tmp_path_factory.mktemp("prelabel")),
        "GALAXYLOOP_LEASE_S": "5",
        "COLUMNS": "300",
    }


@pytest.fixture(scope="module")
def services(environment: dict[str, str]) -> Services:
    """The registry as another process sees it."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        return Services(Settings())


@pytest.fixture
def run(environment: dict[str, str]) -> Callable[..., Result]:
    """Runs `galaxyloop prelabel` with words in this process."""
    return lambda *words: CliRunner().invoke(app, ["prelabel", *(str(word) for word in words)], env=environment)


@pytest.fixture(scope="module")
def references(label_studio: Any, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Uploaded crops of the Hubble deep field, as tasks refer to them."""
    folder = tmp_path_factory.mktemp("crops")
    field = np.asarray(hubble_deep_field())
    crops = []
    for number in range(TILES):
        row, column = divmod(number, 4)
        crops.append(folder / f"crop-{number:02d}.png")
        corner = field[row * 200 : row * 200 + TILE_PX, column * 200 : column * 200 + TILE_PX]
        Image.fromarray(corner).save(crops[-1])
    with LabelStudioClient(label_studio.url, label_studio.api_key) as client:
        uploads = create_project(client, "Crops", config("morphology"))
        upload_images(client, uploads, crops)
        return [str(task.data["image"]) for task in read_tasks(client, uploads)]


@pytest.fixture
def new_project(client: LabelStudioClient, references: list[str]) -> Callable[..., int]:
    """Makes a project of so many tasks, on the same crops again and again."""

    def make(tasks: int = TILES, *, name: str = "morphology") -> int:
        project = create_project(client, "To be predicted", config(name))
        data = [{"image": references[number % TILES]} for number in range(tasks)]
        client.send("POST", f"/api/projects/{project}/import", json=data)
        return project

    return make


def config(name: str) -> str:
    return files("labeling_configs").joinpath(f"{name}.xml").read_text()


def predictions(client: LabelStudioClient, project: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get("/api/predictions/", project=project)
    return found


def each_once(client: LabelStudioClient, project: int, *, version: str = "v0001") -> bool:
    """Whether every task has exactly one prediction, of this version."""
    counted = Counter((one["task"], one["model_version"]) for one in predictions(client, project))
    return counted == Counter({(task.id, version): 1 for task in read_tasks(client, project)})


def annotate(client: LabelStudioClient, task: int) -> None:
    region = {"id": "c1", "from_name": "morphology", "to_name": "image", "type": "choices", "value": {"choices": ["Spiral"]}}
    client.send("POST", f"/api/tasks/{task}/annotations/", json={"result": [region]})


def test_every_task_gets_one_prediction_and_a_second_run_adds_none(
    run: Callable[..., Result], client: LabelStudioClient, new_project: Callable[..., int]
) -> None:
    project = new_project()
    first = run(project)
    assert first.exit_code == 0, first.output
    assert first.stdout.startswith(f"{TILES} predictions of v0001 stored")
    assert each_once(client, project)
    second = run(project)
    assert second.exit_code == 0, second.output
    assert second.stdout == f"0 predictions of v0001 stored, {TILES} were there already\n"
    assert each_once(client, project)


def test_annotators_see_them_though_no_backend_is_attached(
    run: Callable[..., Result], client: LabelStudioClient, new_project: Callable[..., int]
) -> None:
    project = new_project()
    run(project)
    assert project_state(client, project).model_version == "v0001"


def test_a_run_that_was_killed_goes_on_and_doubles_nothing(
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
        wait(lambda: stored(client, project) or process.poll() is not None, "the first are stored", timeout_s=120)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert 0 < stored(client, project) < MANY
    again = run(project)
    assert again.exit_code == 0, again.output
    assert each_once(client, project)


def stored(client: LabelStudioClient, project: int) -> int:
    return int(client.get(f"/api/projects/{project}/model-versions/").get("v0001", 0))


def test_only_unlabelled_leaves_out_what_is_annotated(
    run: Callable[..., Result], client: LabelStudioClient, new_project: Callable[..., int]
) -> None:
    project = new_project()
    first, *others = (task.id for task in read_tasks(client, project))
    annotate(client, first)
    assert run(project, "--only-unlabelled").exit_code == 0
    assert sorted(one["task"] for one in predictions(client, project)) == others
    assert project_state(client, project).model_version == "v0001"


def test_the_least_sure_go_first(
    run: Callable[..., Result], client: LabelStudioClient, new_project: Callable[..., int]
) -> None:
    project = new_project()
    assert run(project, "--order", "uncertain", "--limit", 5).exit_code == 0
    first = {one["task"]: one["score"] for one in predictions(client, project)}
    assert len(first) == 5
    assert run(project).exit_code == 0
    others = [one["score"] for one in predictions(client, project) if one["task"] not in first]
    assert len(others) == TILES - 5
    assert max(first.values()) <= min(others)
    assert each_once(client, project)


def test_a_part_is_shown_where_there_was_nothing_and_hides_nothing_where_there_was(
    run: Callable[..., Result], client: LabelStudioClient, new_project: Callable[..., int]
) -> None:
    project = new_project()
    run(project, "--limit", 3)
    assert project_state(client, project).model_version == "v0001"
    other = new_project()
    tasks = [task.id for task in read_tasks(client, other)]
    older = [{"task": task, "result": [], "model_version": "somebody's"} for task in tasks]
    client.send("POST", f"/api/projects/{other}/import/predictions", json=older)
    client.send("PATCH", f"/api/projects/{other}/", json={"model_version": "somebody's"})
    limited = run(other, "--limit", 3)
    assert project_state(client, other).model_version == "somebody's"
    assert "annotators do not see them yet" in limited.stdout
    run(other)
    assert project_state(client, other).model_version == "v0001"


def test_tasks_whose_picture_cannot_be_read_are_listed_and_the_others_are_in(
    run: Callable[..., Result], client: LabelStudioClient, new_project: Callable[..., int]
) -> None:
    project = new_project()
    client.send("POST", f"/api/projects/{project}/import", json=[{"image": "/data/upload/1/gone.png"}])
    last = max(task.id for task in read_tasks(client, project))
    done = run(project)
    assert done.exit_code == 0, done.output
    assert f"  task {last}: " in done.stderr
    assert each_once(client, project)


def test_nothing_is_stored_for_a_version_that_is_not_live_any_more(
    services: Services, new_project: Callable[..., int], client: LabelStudioClient
) -> None:
    project = new_project()

    @contextmanager
    def overtaken(opened: Services, known: Project) -> Iterator[Engine]:
        with engines.here(opened, known) as engine:
            with opened.registry.writing_version(
                known.id, label_config=known.label_config, fingerprint="f", learned_from=1
            ) as (folder, number):
                (folder / "heads.json").write_text("{}")
            opened.registry.promote(known.id, number)
            yield engine

    with pytest.raises(PrelabelError, match=rf"v0002 went live while v0001 predicted: run galaxyloop prelabel {project} again"):
        prelabel(services, project, Wanted(), opening=overtaken, watch=lambda batches, title, total: batches)
    assert predictions(client, project) == []


@pytest.mark.usefixtures("ray_cluster")
def test_a_cluster_stores_what_this_process_would(
    run: Callable[..., Result], client: LabelStudioClient, new_project: Callable[..., int]
) -> None:
    here, there = new_project(name="everything"), new_project(name="everything")
    assert run(here).exit_code == 0
    done = run(there, "--engine", "ray")
    assert done.exit_code == 0, done.output
    assert each_once(client, there)
    scores = [[one["score"] for one in sorted(predictions(client, project), key=task_of)] for project in (here, there)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-4)


def task_of(prediction: dict[str, Any]) -> int:
    return int(prediction["task"])


def test_an_unknown_project_is_one_sentence(run: Callable[..., Result], label_studio: Any) -> None:
    assert run(999999).stderr == f"galaxyloop: Label Studio at {label_studio.url} has no project 999999\n"


def test_an_empty_project_is_one_sentence(run: Callable[..., Result], client: LabelStudioClient) -> None:
    project = create_project(client, "Nothing in it", config("morphology"))
    assert run(project).stderr == f"galaxyloop: project {project} has no task: import images first\n"


def test_a_project_with_nothing_to_fill_is_one_sentence(run: Callable[..., Result], client: LabelStudioClient) -> None:
    xml = '<View><Image name="image" value="$image"/><TextArea name="note" toName="image"/></View>'
    project = create_project(client, "Notes only", xml)
    assert "has no control that galaxyloop can fill" in run(project).stderr

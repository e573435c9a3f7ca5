"""The demo: all tasks predicted when it is ready, the same state after a second start, no process after Ctrl-C."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tifffile
from astropy.io import fits
from PIL import Image
from skimage.data import hubble_deep_field

from sync.label_studio.projects import project_state
from sync.label_studio.tasks import read_tasks

FEWEST_TILES = 36
SECOND_START_S = 60.0
"""The documented limit is 30 s on two idle cores."""


def read_state(demo: Any) -> dict[str, Any]:
    """Return everything that a second start must not duplicate: tasks, predictions by version, backends and webhooks."""
    project = int(demo.values["GALAXYLOOP_PROJECT_ID"])
    with demo.client() as client:
        return {
            "projects": [entry["id"] for entry in client.get("/api/projects/")["results"]],
            "tasks": [(task.id, task.data) for task in read_tasks(client, project)],
            "predictions": Counter((entry["task"], entry["model_version"]) for entry in predictions(demo)),
            "backends": [(entry["id"], entry["url"], entry["title"]) for entry in client.get("/api/ml", project=project)],
            "webhooks": [(entry["id"], entry["url"]) for entry in client.get("/api/webhooks/", project=project)],
        }


def predictions(demo: Any) -> list[dict[str, Any]]:
    """Return all stored predictions."""
    with demo.client() as client:
        return list(client.get("/api/predictions/", project=int(demo.values["GALAXYLOOP_PROJECT_ID"])))


def test_the_env_file_has_the_urls_and_is_private(demo: Any) -> None:
    project = int(demo.values["GALAXYLOOP_PROJECT_ID"])
    assert demo.values["LABEL_STUDIO_URL"] == f"http://127.0.0.1:{demo.ports[0]}"
    assert demo.values["GALAXYLOOP_BACKEND_URL"] == f"http://127.0.0.1:{demo.ports[1]}"
    assert demo.values["GALAXYLOOP_WEBHOOK_SECRET"] == json.loads((demo.data / "demo.json").read_text())["webhook_secret"]
    assert httpx.get(demo.values["GALAXYLOOP_BACKEND_URL"] + "/health", trust_env=False).json()["status"] == "UP"
    with demo.client() as client:
        assert project_state(client, project).sampling == "Uncertainty sampling"
    assert [file for file in (demo.data, demo.data / "env") if file.stat().st_mode & 0o077] == []


def test_the_demo_prints_the_url_and_the_user_and_no_password_into_a_log(demo: Any) -> None:
    assert f"{demo.values['LABEL_STUDIO_URL']}/projects/{demo.values['GALAXYLOOP_PROJECT_ID']}/" in demo.output
    assert demo.values["GALAXYLOOP_LABEL_STUDIO_USER"] in demo.output
    assert f"the GALAXYLOOP_LABEL_STUDIO_PASSWORD in {demo.data / 'env'}" in demo.output
    assert demo.values["GALAXYLOOP_LABEL_STUDIO_PASSWORD"] not in demo.output
    assert demo.values["GALAXYLOOP_BASIC_AUTH_PASSWORD"] not in demo.output
    assert demo.values["LABEL_STUDIO_API_KEY"] not in demo.output


def test_the_printed_page_shows_the_project_and_its_report(demo: Any, wait: Callable[..., Any]) -> None:
    address = f"{demo.values['GALAXYLOOP_BACKEND_URL']}/projects/{demo.values['GALAXYLOOP_PROJECT_ID']}"
    assert address in demo.output
    password = demo.values["GALAXYLOOP_BASIC_AUTH_PASSWORD"]
    assert password not in demo.output

    def page() -> str:
        answer = httpx.get(address, auth=("galaxyloop", password), trust_env=False)
        assert answer.status_code == 200
        return answer.text

    assert httpx.get(address, trust_env=False).status_code == 401
    wait(lambda: "At a glance" in page(), "the first report is shown", timeout_s=300)
    text = page()
    assert "tasks are annotated" in text
    assert f"{demo.values['LABEL_STUDIO_URL']}/projects/{demo.values['GALAXYLOOP_PROJECT_ID']}/data" in text


def test_every_tile_is_pre_annotated_before_the_demo_is_ready(demo: Any) -> None:
    # Predictions of the first version, because other tests may have trained a second one.
    project = int(demo.values["GALAXYLOOP_PROJECT_ID"])
    with demo.client() as client:
        tasks = read_tasks(client, project)
    first = {
        prediction["task"]: prediction for prediction in predictions(demo) if prediction["model_version"].startswith("v0001-")
    }
    assert len(tasks) >= FEWEST_TILES
    assert first.keys() == {task.id for task in tasks}
    for prediction in first.values():
        assert {region["type"] for region in prediction["result"]} == {"choices", "polygonlabels"}
        assert 0 <= prediction["score"] <= 1


def test_open_tasks_have_one_prediction_of_the_live_version(demo: Any) -> None:
    project = int(demo.values["GALAXYLOOP_PROJECT_ID"])
    with demo.client() as client:
        live = project_state(client, project).model_version
        waiting = [task.id for task in read_tasks(client, project) if not task.annotated]
    counts = Counter(prediction["task"] for prediction in predictions(demo) if prediction["model_version"] == live)
    assert [counts[task] for task in waiting] == [1] * len(waiting)


@pytest.mark.parametrize("position", [0, 1], ids=["of Label Studio", "of the backend"])
def test_a_port_in_use_is_reported_in_one_sentence(demo: Any, new_demo: Callable[..., Any], position: int) -> None:
    second = new_demo()
    ports = list(second.ports)
    ports[position] = demo.ports[position]
    second.ports = tuple(ports)
    assert second.run().wait(60) == 1
    lines = second.output.splitlines()
    assert len(lines) == 1, lines
    assert f"port {demo.ports[position]}" in lines[0]
    assert "in use" in lines[0]
    assert not (second.data / "galaxyloop").exists()
    assert second.processes() == {}


def test_a_killed_worker_is_restarted(demo: Any, wait: Callable[..., Any]) -> None:
    def worker() -> int | None:
        return next((number for number, command in demo.processes().items() if command.endswith(" worker")), None)

    pid = wait(worker, "there is a worker")
    os.kill(pid, signal.SIGKILL)
    wait(lambda: worker() not in (None, pid), "there is a new worker")
    assert "the worker ended and is restarted" in demo.output
    assert demo.running


def test_a_second_start_uses_the_same_data(demo: Any, capsys: pytest.CaptureFixture[str]) -> None:
    before, values = read_state(demo), demo.values
    assert demo.end() == 0
    seconds = demo.start()
    with capsys.disabled():
        print(f" second start: ready in {seconds:.1f} s", end="")  # noqa: T201
    assert read_state(demo) == before
    assert demo.values == values
    assert seconds < SECOND_START_S


def test_another_port_changes_the_backend_instead_of_adding_one(
    new_demo: Callable[..., Any], own_images: Path, wait: Callable[..., Any]
) -> None:
    """Also checks the user's own images, because each start takes half a minute."""
    demo = new_demo(images=own_images)
    try:
        demo.start()
        project = int(demo.values["GALAXYLOOP_PROJECT_ID"])
        with demo.client() as client:
            images = [str(task.data["image"]) for task in read_tasks(client, project)]
        names = sorted(reference.split("-", 1)[1] for reference in images)
        assert names == ["a.png", "b.jpg", "c.tif.png", "deep-d.fits.png"]
        assert [line for line in demo.output.splitlines() if "left out" in line and "broken.fits" in line]
        assert sorted(Counter(prediction["task"] for prediction in predictions(demo)).values()) == [1, 1, 1, 1]

        ports = new_demo().ports
        assert demo.end(signal.SIGTERM, signal.SIGINT, signal.SIGINT) == 0
        demo.ports = ports
        demo.start()
        after = read_state(demo)
        assert [url for _, url, _ in after["backends"]] == [demo.values["GALAXYLOOP_BACKEND_URL"]]
        assert [url for _, url in after["webhooks"]] == [demo.values["GALAXYLOOP_BACKEND_URL"] + "/webhook"]
        assert sorted(after["predictions"].values()) == [1, 1, 1, 1]
        with demo.client() as client:
            assert str(project_state(client, project).model_version).startswith("v0001-")
        assert demo.end(signal.SIGHUP) == 0
    finally:
        demo.end()


@pytest.fixture
def own_images(tmp_path: Path) -> Path:
    """Return a folder with every supported kind of image, a broken image and a text file."""
    field = np.asarray(hubble_deep_field())
    (tmp_path / "deep").mkdir()
    Image.fromarray(field[:200, :300]).save(tmp_path / "a.png")
    Image.fromarray(field[200:400, :300]).save(tmp_path / "b.jpg")
    tifffile.imwrite(tmp_path / "c.tif", field[400:600, :300].astype(np.uint16) * 200)
    sky = field[600:800, :300].mean(axis=2).astype(np.float32)
    sky[:5] = np.nan
    fits.PrimaryHDU(sky).writeto(tmp_path / "deep" / "d.fits")
    shutil.copy(tmp_path / "deep" / "d.fits", tmp_path / "broken.fits")
    os.truncate(tmp_path / "broken.fits", 4000)
    (tmp_path / "readme.txt").write_text(json.dumps("no image"))
    return tmp_path

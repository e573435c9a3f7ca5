"""The same model under `label-studio-ml start`, in its own environment."""

from __future__ import annotations

import base64
import io
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from skimage.data import hubble_deep_field

from backend.server.app import create_app
from backend.services import Services
from backend.settings import Settings

pytestmark = pytest.mark.e2e

ENVIRONMENT = Path(__file__).parents[2] / ".venv-label-studio-ml"
CONFIG = files("labeling_configs").joinpath("morphology.xml").read_text()
START_WITHIN_S = 120


def _image() -> str:
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(hubble_deep_field())[100:196, 100:196]).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


@pytest.fixture(scope="module")
def request_body() -> dict[str, Any]:
    task = {"id": 1, "project": 3, "data": {"image": _image()}}
    params = {"login": None, "password": None, "context": None}
    return {"tasks": [task, task | {"id": 2}], "project": "3.1795415082", "label_config": CONFIG, "params": params}


@pytest.fixture(scope="module")
def label_studio_ml(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the address of a label-studio-ml 1.0.9 server with galaxyloop's class, set up as in its documentation."""
    if not (ENVIRONMENT / ".ready").exists():
        pytest.skip(f"{ENVIRONMENT.name} is missing: `make test` installs label-studio-ml there")
    folder = tmp_path_factory.mktemp("label-studio-ml")
    (folder / "galaxies.py").write_text("from galaxyloop.label_studio_ml import GalaxyLoop\n")
    path = f"{ENVIRONMENT / 'bin'}:{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "GALAXYLOOP_DATA_DIR": str(folder / "data")}
    command = [str(ENVIRONMENT / "bin" / "label-studio-ml")]
    subprocess.run(
        [*command, "init", "backend-folder", "--script", "galaxies.py:GalaxyLoop"], cwd=folder, env=environment, check=True
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "start", "backend-folder", "--port", str(port)],
            cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + START_WITHIN_S
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if httpx.get(f"{url}/health").is_success:
                    break
            except httpx.TransportError:
                time.sleep(0.2)
        else:
            pytest.fail((folder / "log").read_text()[-2000:])
        yield url
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # label-studio-ml does not end the process of each event
        process.wait()


def test_predictions_equal_those_of_galaxyloops_server(
    label_studio_ml: str, request_body: dict[str, Any], tmp_path: Path
) -> None:
    setup = {"project": "3.1795415082", "schema": CONFIG, "hostname": "", "access_token": "", "extra_params": None}
    assert httpx.post(f"{label_studio_ml}/setup", json=setup, timeout=60).is_success
    theirs = httpx.post(f"{label_studio_ml}/predict", json=request_body, timeout=60).json()["results"]
    with TestClient(create_app(Services(Settings(data_dir=tmp_path)))) as client:
        ours = client.post("/predict", json=request_body).json()["results"]
    assert len(theirs) == len(ours) == 2
    for their, our in zip(theirs, ours, strict=True):
        assert their["model_version"].partition("-")[0] == our["model_version"].partition("-")[0] == "v0001"
        assert their["score"] == pytest.approx(our["score"], abs=1e-4)
        assert [region["value"] for region in their["result"]] == [region["value"] for region in our["result"]]


def test_an_event_is_accepted(label_studio_ml: str) -> None:
    event = {"action": "ANNOTATION_CREATED", "project": {"id": 3}, "annotation": {"id": 1}}
    assert httpx.post(f"{label_studio_ml}/webhook", json=event, timeout=60).is_success

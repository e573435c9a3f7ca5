"""`galaxyloop import-regions`, killed during the import and started again, stores no duplicate in the real Label Studio."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sync.label_studio.client import LabelStudioClient
from sync.label_studio.projects import create_project

CONFIG = (
    '<View><Image name="image" value="$image"/><RectangleLabels name="boxes" toName="image"><Label value="Galaxy"/>'
    "</RectangleLabels></View>"
)
TASKS = 120
DEADLINE_S = 120.0


@pytest.fixture
def project(client: LabelStudioClient) -> int:
    """Return a project of tasks whose images cannot be fetched; the file of regions states their sizes."""
    project = create_project(client, "Killed imports", CONFIG)
    tasks = [{"data": {"image": f"/missing/{number}.png", "filename": f"galaxy{number}.png"}} for number in range(TASKS)]
    client.send("POST", f"/api/projects/{project}/import", json=tasks)
    return project


def write_coco(file: Path) -> Path:
    images = [{"id": number, "file_name": f"galaxy{number}.png", "width": 40, "height": 30} for number in range(TASKS)]
    boxes = [{"id": number + 1, "image_id": number, "category_id": 1, "bbox": [5, 5, 9, 7]} for number in range(TASKS)]
    file.write_text(json.dumps({"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "Galaxy"}]}))
    return file


def list_stored(client: LabelStudioClient, project: int, kind: str) -> list[int]:
    """Count the annotations or predictions of each task."""
    fields = {"fields": "all", "include": f"id,{kind}"}
    return [len(task[kind]) for task in client.pages("/api/tasks/", project=project, **fields)]


@pytest.mark.usefixtures("run")  # sets the environment, which the processes inherit
@pytest.mark.parametrize("kind", ["annotations", "predictions"])
def test_a_killed_import_stores_nothing_twice_when_repeated(
    client: LabelStudioClient, project: int, tmp_path: Path, kind: str
) -> None:
    file = write_coco(tmp_path / "boxes.json")
    words = [str(project), str(file), *(["--as", "annotations"] if kind == "annotations" else ["--model", "finder"])]
    command = [sys.executable, "-m", "backend.cli", "import-regions", *words]
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _wait_until(lambda: sum(list_stored(client, project, kind)) > 0 or first.poll() is not None)
    first.send_signal(signal.SIGKILL)
    first.wait()
    before = list_stored(client, project, kind)
    assert max(before) == 1
    if kind == "annotations":
        assert sum(before) < TASKS
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (process.returncode, list_stored(client, project, kind)) == (0, [1] * TASKS), process.stderr
    assert f"{TASKS - sum(before)} tasks stored" in process.stdout


def _wait_until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "nothing was stored"
        time.sleep(0.05)

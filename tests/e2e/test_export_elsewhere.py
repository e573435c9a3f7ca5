"""Export of a project whose images are in a bucket: they are fetched, and another project imports the JSON export unchanged."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sync.controls import CONTROLS
from sync.geometry.shapes import Box
from sync.label_studio.client import LabelStudioClient
from sync.label_studio.projects import create_project
from sync.label_studio.tasks import read_tasks
from sync.labelling.config import parse

CONFIG = """
<View>
  <Image name="image" value="$image"/>
  <RectangleLabels name="boxes" toName="image"><Label value="Galaxy"/></RectangleLabels>
</View>
"""
SIZE = (64, 48)
REFERENCE = "s3://sky/galaxy.png"


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Yield the address of moto's S3 on this machine, with an image in the bucket `sky`."""
    moto = pytest.importorskip("moto.server", reason="no moto: install moto[server] and boto3")
    boto3 = pytest.importorskip("boto3", reason="no boto3: install galaxyloop[s3]")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    address = "http://{}:{}".format(*server.get_host_and_port())
    s3 = boto3.client("s3", endpoint_url=address, region_name="us-east-1")
    s3.create_bucket(Bucket="sky")
    file = io.BytesIO()
    Image.new("L", SIZE, 40).save(file, "PNG")
    s3.put_object(Bucket="sky", Key="galaxy.png", Body=file.getvalue())
    yield address
    server.stop()


@pytest.fixture
def project(client: LabelStudioClient, bucket: str) -> int:
    """Return a project of one task with one box, and the storage of its image."""
    project = create_project(client, "In a bucket", CONFIG)
    keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing", "s3_endpoint": bucket}
    storage = {"project": project, "bucket": "sky", "presign": True, "use_blob_urls": True, "region_name": "us-east-1", **keys}
    client.send("POST", "/api/storages/s3", json=storage)
    client.send("POST", f"/api/projects/{project}/import", json=[{"data": {"image": REFERENCE}}])
    (task,) = read_tasks(client, project)
    control = parse(CONFIG).control("boxes")
    assert control is not None
    box = CONTROLS["RectangleLabels"].encode(Box(4, 5, 20, 10), control=control, label="Galaxy", size=SIZE)
    client.send("POST", f"/api/tasks/{task.id}/annotations/", json={"result": [box], "lead_time": 2.5})
    return project


@pytest.fixture
def export(label_studio: Any, project: int, bucket: str, tmp_path: Path) -> Callable[[str], Path]:
    def run(format: str) -> Path:
        command = [sys.executable, "-m", "backend.cli", "export", str(project), "--output", str(tmp_path / format)]
        settings = {
            "LABEL_STUDIO_URL": label_studio.url,
            "LABEL_STUDIO_API_KEY": label_studio.api_key,
            "GALAXYLOOP_DATA_DIR": str(tmp_path / "galaxyloop"),
            "GALAXYLOOP_IMAGE_HOSTS": bucket.removeprefix("http://"),
        }
        process = subprocess.run(
            [*command, "--format", format], capture_output=True, text=True, env=os.environ | settings, check=False
        )
        assert process.returncode == 0, process.stderr
        assert "problem" not in process.stdout
        return tmp_path / format

    return run


def test_an_image_in_a_bucket_is_fetched(export: Callable[[str], Path]) -> None:
    (file,) = (export("coco") / "images").iterdir()
    assert Image.open(file).size == SIZE


def test_json_with_bucket_references_can_be_imported_elsewhere(
    export: Callable[[str], Path], client: LabelStudioClient
) -> None:
    tasks = json.loads((export("json") / "train.json").read_text())
    assert [task["data"] for task in tasks] == [{"image": REFERENCE}]
    copy = create_project(client, "Imported again", CONFIG)
    client.send("POST", f"/api/projects/{copy}/import", json=tasks)
    (task,) = read_tasks(client, copy)
    (annotation,) = client.get(f"/api/tasks/{task.id}/annotations/")
    assert annotation["result"] == tasks[0]["annotations"][0]["result"]
    assert annotation["lead_time"] == 2.5
    assert not annotation["ground_truth"]

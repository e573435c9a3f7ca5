"""`galaxyloop export` of a real project in every format, read back with the usual readers of each format."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from astropy.io import fits
from astropy.table import Table
from datasets import load_dataset
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from sync.controls import CONTROLS
from sync.controls.rle import decode
from sync.geometry.raster import rasterise
from sync.geometry.shapes import Box, Ellipse, Mask, Point, Polygon
from sync.label_studio.client import LabelStudioClient
from sync.label_studio.predictions import push
from sync.label_studio.projects import create_project, upload_images
from sync.label_studio.tasks import read_tasks
from sync.labelling.config import parse

CONFIG = """
<View>
  <Image name="image" value="$image"/>
  <Choices name="morphology" toName="image"><Choice value="Spiral"/><Choice value="Smooth"/></Choices>
  <Taxonomy name="tree" toName="image"><Choice value="Featured"><Choice value="Arms"/></Choice></Taxonomy>
  <Number name="redshift" toName="image" min="0" max="10"/>
  <RectangleLabels name="boxes" toName="image"><Label value="Galaxy"/><Label value="Star"/></RectangleLabels>
  <EllipseLabels name="ellipses" toName="image"><Label value="Galaxy"/></EllipseLabels>
  <BrushLabels name="masks" toName="image"><Label value="Galaxy"/></BrushLabels>
  <PolygonLabels name="polygons" toName="image"><Label value="Galaxy"/></PolygonLabels>
  <KeyPointLabels name="points" toName="image"><Label value="Nucleus"/></KeyPointLabels>
</View>
"""
SIZE = (64, 48)
TASKS = 5
VERSION = "v0001"


def encode(name: str, what: Any, **more: Any) -> dict[str, Any]:
    control = parse(CONFIG).control(name)
    assert control is not None
    return CONTROLS[control.tag].encode(what, control=control, **more)


def box_of(number: int) -> Box:
    return Box(3.125 + number / 7, 4.5, 20.25, 11 / 3)


def mask_of(number: int) -> Mask:
    """Return a mask of two parts, one with a hole."""
    mask = np.zeros(SIZE[::-1], dtype=bool)
    mask[5:20, 5 + number : 30] = True
    mask[9:12, 20:24] = False
    mask[40:44, 50:60] = True
    return mask


@pytest.fixture(scope="module")
def project(label_studio: Any, tmp_path_factory: pytest.TempPathFactory) -> int:
    """Return a project of five images with annotations of all controls; the last has two annotators and a broken region."""
    folder = tmp_path_factory.mktemp("images")
    files = []
    for number in range(TASKS):
        files.append(folder / f"galaxy{number}.png")
        Image.fromarray(np.full((*SIZE[::-1], 3), 20 * number, dtype=np.uint8)).save(files[-1])
    with LabelStudioClient(label_studio.url, label_studio.api_key) as client:
        project = create_project(client, "To be exported", CONFIG)
        upload_images(client, project, files)
        tasks = [task.id for task in read_tasks(client, project)]
        regions = [
            {
                "task": task,
                "result": [encode("masks", mask_of(number), label="Galaxy", size=SIZE, score=0.75)],
                "score": 0.75,
                "model_version": VERSION,
            }
            for number, task in enumerate(tasks)
        ]
        push(client, project, regions)
        for number, task in enumerate(tasks):
            (parent,) = client.get("/api/predictions/", task=task)
            objects = [
                encode("morphology", ["Spiral" if number % 2 else "Smooth"]),
                encode("tree", [("Featured", "Arms")]),
                encode("redshift", 0.25),
                encode("boxes", box_of(number), label="Star", size=SIZE),
                encode("ellipses", Ellipse(30, 20, 12, 6, 40), label="Galaxy", size=SIZE),
                encode("polygons", Polygon(np.array([[3.0, 4], [40, 6], [21, 42]])), label="Galaxy", size=SIZE),
                encode("points", Point(12.5, 7.25), label="Nucleus", size=SIZE),
            ]
            result = [{**region, "origin": "manual"} for region in objects]
            result.append({**parent["result"][0], "origin": "prediction"})
            if number == TASKS - 1:
                result.append({**result[3], "id": "broken", "value": {**result[3]["value"], "width": "wide"}})
            body = {"result": result, "lead_time": 2.5, "parent_prediction": parent["id"]}
            client.send("POST", f"/api/tasks/{task}/annotations/", json=body)
    return project


@pytest.fixture(scope="module")
def export(label_studio: Any, project: int, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Run the command and return the folder."""

    def run(*words: str) -> Path:
        output = tmp_path_factory.mktemp("exported") / "data"
        command = [sys.executable, "-m", "backend.cli", "export", str(project), "--output", str(output), *words]
        settings = _settings(label_studio, output.parent)
        process = subprocess.run(command, capture_output=True, text=True, env=os.environ | settings, check=False)
        assert process.returncode == 1, process.stderr
        assert f"{TASKS} tasks" in process.stdout
        assert "could not be exported" in process.stdout
        return output

    return run


def test_coco_contains_every_mask_box_and_point(export: Callable[..., Path]) -> None:
    folder = export("--format", "coco")
    coco = COCO(folder / "annotations" / "train.json")
    assert len(coco.imgs) == TASKS
    for number, (identity, image) in enumerate(sorted(coco.imgs.items())):
        assert Image.open(folder / "images" / image["file_name"]).size == SIZE
        entries = {entry["control"]: entry for entry in coco.loadAnns(coco.getAnnIds(imgIds=[identity]))}
        assert entries["boxes"]["bbox"] == pytest.approx(
            [box_of(number).x, box_of(number).y, box_of(number).width, box_of(number).height], abs=1e-3
        )
        assert (coco.annToMask(entries["masks"]) == mask_of(number)).all()
        assert entries["points"]["keypoints"][:2] == pytest.approx([12.5, 7.25], abs=1e-3)
        project = entries["masks"]["provenance"]
        assert (project["made_by"], project["state"], project["version"]) == ("model", "accepted", VERSION)
        assert entries["masks"]["score"] == 0.75
        assert entries["boxes"]["provenance"]["made_by"] == "human"


def test_yolo_contains_every_mask_and_box(export: Callable[..., Path]) -> None:
    folder = export("--format", "yolo")
    names = yaml.safe_load((folder / "segment" / "data.yaml").read_text())["names"]
    for number, file in enumerate(sorted((folder / "segment" / "labels" / "train").glob("*.txt"))):
        rows = [line.split() for line in file.read_text().splitlines()]
        masks = [rasterise(Polygon(np.reshape([float(n) for n in row[1:]], (-1, 2)) * SIZE), SIZE) for row in rows]
        assert {names[int(row[0])] for row in rows} == {"Galaxy"}
        assert any((mask == mask_of(number)).all() for mask in masks)
    for number, file in enumerate(sorted((folder / "detect" / "labels" / "train").glob("*.txt"))):
        numbers = [[float(word) for word in line.split()] for line in file.read_text().splitlines()]
        assert [names[int(row[0])] for row in numbers] == ["Star", "Galaxy", "Galaxy", "Galaxy"]
        x, y, width, height = np.array(numbers[0][1:]) * (*SIZE, *SIZE)
        box = box_of(number)
        assert (x - width / 2, y - height / 2, width, height) == pytest.approx((box.x, box.y, box.width, box.height), abs=1e-3)


def test_fits_contains_every_mask(export: Callable[..., Path]) -> None:
    folder = export("--format", "fits")
    files = sorted((folder / "train").iterdir())
    assert len(files) == TASKS
    for number, name in enumerate(files):
        with fits.open(name) as file:
            (row,) = [row for row in file["OBJECTS"].data if row["kind"] == "mask"]
            layer = file["INSTANCE", int(row["layer"])].data[::-1]
            assert ((layer == row["instance"]) == mask_of(number)).all()
            assert (row["made_by"], row["version"]) == ("model", VERSION)


@pytest.mark.parametrize(
    ("format", "name"), [("ecsv", "objects.ecsv"), ("votable", "objects.vot"), ("fits-table", "objects.fits")]
)
def test_catalogues_have_one_row_per_object_and_answer(export: Callable[..., Path], format: str, name: str) -> None:
    table = Table.read(export("--format", format) / name)
    assert len(table) == TASKS * 8
    ellipses = table[[str(kind) == "ellipse" for kind in table["kind"]]]
    assert [round(float(value), 6) for value in ellipses["axis_ratio"]] == [0.5] * TASKS
    assert {str(value) for value in table["version"]} - {VERSION} <= {"", "--"}


def test_parquet_opens_with_datasets(export: Callable[..., Path], tmp_path: Path) -> None:
    rows = load_dataset(str(export("--format", "parquet")), split="train", cache_dir=str(tmp_path))
    assert len(rows) == TASKS
    for number, row in enumerate(rows):
        assert row["image"].size == SIZE
        assert np.asarray(row["image"])[0, 0, 0] == 20 * number
        (mask,) = [entry for entry in row["objects"] if entry["kind"] == "mask"]
        rle = {"size": mask["mask_size"], "counts": mask["mask_counts"]}
        assert (coco_mask.decode(rle).astype(bool) == mask_of(number)).all()


def test_json_can_be_imported_into_label_studio(export: Callable[..., Path], client: LabelStudioClient) -> None:
    tasks = json.loads((export("--format", "json") / "train.json").read_text())
    copy = create_project(client, "Imported again", CONFIG)
    stored_tasks = [{"data": task["data"], "annotations": [{"result": task["annotations"][0]["result"]}]} for task in tasks]
    client.send("POST", f"/api/projects/{copy}/import", json=stored_tasks)
    for number, task in enumerate(read_tasks(client, copy)):
        (annotation,) = client.get(f"/api/tasks/{task.id}/annotations/")
        (region,) = [candidate for candidate in annotation["result"] if candidate["type"] == "brushlabels"]
        assert (decode(region["value"]["rle"], size=SIZE) == mask_of(number)).all()


def test_a_limit_takes_the_first_annotated_tasks(label_studio: Any, project: int, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "backend.cli", "export", str(project), "--output", str(tmp_path / "two")]
    command += ["--format", "json", "--limit", "2"]
    settings = _settings(label_studio, tmp_path)
    process = subprocess.run(command, capture_output=True, text=True, env=os.environ | settings, check=False)
    assert process.returncode == 0, process.stderr
    assert "wrote 2 tasks" in process.stdout


def test_splits_a_consensus_and_the_data_card(export: Callable[..., Path]) -> None:
    words = ("--split", "0.6,0.2,0.2", "--consensus", "dawid-skene", "--licence", "CC BY 4.0", "--credit", "SDSS")
    folder = export("--format", "json", *words)
    counts = [len(json.loads((folder / f"{split}.json").read_text())) for split in ("train", "validation", "test")]
    assert counts == [3, 1, 1]
    card = (folder / "README.md").read_text()
    assert "Licence: CC BY 4.0." in card
    assert f"| model | accepted | {VERSION} | {TASKS} |" in card
    assert "broken" in (folder / "problems.csv").read_text()


def test_an_empty_split_is_reported(label_studio: Any, project: int, tmp_path: Path) -> None:
    words = ["--output", str(tmp_path / "data"), "--format", "json", "--split", "0.98,0.01,0.01"]
    command = [sys.executable, "-m", "backend.cli", "export", str(project), *words]
    settings = _settings(label_studio, tmp_path)
    process = subprocess.run(command, capture_output=True, text=True, env=os.environ | settings, check=False)
    assert process.returncode == 1  # problems.csv lists the broken image
    assert "no task is in validation" in process.stdout
    assert "no task is in test" in process.stdout


def test_a_folder_with_files_is_rejected_in_one_sentence(label_studio: Any, project: int, tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    command = [sys.executable, "-m", "backend.cli", "export", str(project), "--output", str(tmp_path), "--format", "json"]
    settings = _settings(label_studio, tmp_path)
    process = subprocess.run(command, capture_output=True, text=True, env=os.environ | settings, check=False)
    assert process.returncode == 2
    assert process.stderr.startswith("galaxyloop: ")
    assert "not an empty folder" in process.stderr
    assert io.StringIO(process.stderr).readlines()[1:] == []


def _settings(label_studio: Any, folder: Path) -> dict[str, str]:
    """Return environment variables; the command writes its data below `folder`."""
    return {
        "LABEL_STUDIO_URL": label_studio.url,
        "LABEL_STUDIO_API_KEY": label_studio.api_key,
        "GALAXYLOOP_DATA_DIR": str(folder / "galaxyloop"),
        "COLUMNS": "200",
    }

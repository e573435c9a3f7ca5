"""Tasks with several images in a real Label Studio: a region belongs to its page or Image tag, from prediction to export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from sync.controls import brushlabels, keypointlabels, rectanglelabels
from sync.geometry.shapes import Box, Point
from sync.label_studio.projects import create_project, upload_images
from sync.label_studio.tasks import read_tasks
from sync.labelling.config import parse

if TYPE_CHECKING:
    from tests.e2e.loop.conftest import Loop, Project

PAIRS, ANNOTATED = 16, 14
SIZE = (200, 100)
SPOTS = ((50, 50), (150, 50))
"""Positions of the galaxies of the first and of the second image, pixels."""
PAGES = """<View><Image name="image" valueList="$images"/>
<RectangleLabels name="boxes" toName="image"><Label value="Galaxy"/></RectangleLabels>
<BrushLabels name="brush" toName="image"><Label value="Galaxy"/></BrushLabels>
<KeyPointLabels name="kp" toName="image" smart="true"><Label value="Galaxy"/></KeyPointLabels></View>"""
TWO_IMAGES = """<View><Image name="g" value="$g"/><Image name="r" value="$bands[0].r"/>
<RectangleLabels name="boxes" toName="g,r"><Label value="Galaxy"/></RectangleLabels></View>"""


@pytest.fixture(scope="module")
def image_pairs(loop: Loop, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str]]:
    """Return references of pairs of uploaded images, with a galaxy on the left of the first and on the right of the second."""
    folder, files = tmp_path_factory.mktemp("pairs"), []
    rows, columns = np.mgrid[: SIZE[1], : SIZE[0]]
    noise = np.random.default_rng(3)
    for number in range(PAIRS):
        for place, (x, y) in enumerate(SPOTS):
            light = 200 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 6.0**2)) + noise.normal(12, 2, rows.shape)
            files.append(folder / f"{number:02d}-{place}.png")
            Image.fromarray(light.clip(0, 255).astype(np.uint8)).save(files[-1])
    holder = create_project(loop.client, "pictures of pairs", '<View><Image name="image" value="$image"/></View>')
    upload_images(loop.client, holder, files)
    addresses = [str(task.data["image"]) for task in read_tasks(loop.client, holder)]
    by_name = {reference.rsplit("/", 1)[1].split("-", 1)[1]: reference for reference in addresses}
    references = [by_name[file.name] for file in files]
    return list(zip(references[::2], references[1::2], strict=True))


def galaxy_of(region: dict[str, Any]) -> int:
    """Return which of the two galaxies a box is on."""
    box = rectanglelabels.decode(region).shape
    return int(box.x + box.width / 2 > SIZE[0] / 2)


def annotate(project: Project, config: str, place: dict[str, Any]) -> None:
    control = next(control for control in parse(config).controls if control.name == "boxes")
    x, y = SPOTS[1]
    for task in project.tasks[:ANNOTATED]:
        region = rectanglelabels.encode(Box(x - 14, y - 14, 28, 28), control=control, label="Galaxy", size=SIZE) | place
        project.loop.client.send("POST", f"/api/tasks/{task}/annotations/", json={"result": [region]})
    project.loop.wait_until(lambda: len(project.numbers) >= 2, "a version trained", project)
    project.wait_until_quiet()


def export_pages(project: Project, folder: Path) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return the annotations of a COCO export, each with its image."""
    project.loop.command("export", str(project.id), "--format", "coco", "--output", str(folder))
    coco = json.loads((folder / "annotations" / "train.json").read_text())
    images = {image["id"]: image for image in coco["images"]}
    return [(entry, images[entry["image_id"]]) for entry in coco["annotations"]]


def test_a_region_belongs_to_its_page(loop: Loop, image_pairs: list[tuple[str, str]], tmp_path: Path) -> None:
    project = loop.import_project("pages", PAGES, [{"images": list(pair)} for pair in image_pairs])
    boxes = [region for prediction in project.predictions for region in prediction.result if region["from_name"] == "boxes"]
    assert {region["item_index"] for region in boxes} == {0, 1}
    assert all(galaxy_of(region) == region["item_index"] for region in boxes)

    (backend,) = loop.client.get("/api/ml", project=project.id)
    click = next(control for control in parse(PAGES).controls if control.name == "kp")
    for page, answers in ((0, [0]), (1, [1]), (7, [])):
        prompt = keypointlabels.encode(Point(*SPOTS[page % 2]), control=click, label="Galaxy", size=SIZE) | {"item_index": page}
        body = {"task": project.tasks[0], "context": {"result": [prompt]}}
        answer = loop.client.send("POST", f"/api/ml/{backend['id']}/interactive-annotating", json=body)
        regions = answer["data"]["result"] if answer.get("data") else []
        assert [region["item_index"] for region in regions] == answers
        for region in regions:
            x, y = SPOTS[page]
            assert brushlabels.decode(region).shape[y, x]

    annotate(project, PAGES, {"item_index": 1})
    predictions = [prediction for prediction in project.predictions if prediction.version == project.record.live_name]
    assert all(
        galaxy_of(region) == region["item_index"]
        for prediction in predictions
        for region in prediction.result
        if region["from_name"] == "boxes"
    )
    for annotation, image in export_pages(project, tmp_path / "out"):
        assert image["page"] == 1
        assert image["coco_url"] == image_pairs[image["task"] - project.tasks[0]][1]
        assert annotation["bbox"][0] == pytest.approx(SPOTS[1][0] - 14)


def test_a_region_belongs_to_its_image(loop: Loop, image_pairs: list[tuple[str, str]], tmp_path: Path) -> None:
    tasks = [{"g": first, "bands": [{"r": second}]} for first, second in image_pairs]
    project = loop.import_project("two images", TWO_IMAGES, tasks)
    boxes = [region for prediction in project.predictions for region in prediction.result]
    assert {region["to_name"] for region in boxes} == {"g", "r"}
    assert all(("g", "r")[galaxy_of(region)] == region["to_name"] for region in boxes)

    annotate(project, TWO_IMAGES, {"to_name": "r"})
    predictions = [prediction for prediction in project.predictions if prediction.version == project.record.live_name]
    assert all(("g", "r")[galaxy_of(region)] == region["to_name"] for prediction in predictions for region in prediction.result)
    annotations = export_pages(project, tmp_path / "out")
    assert len(annotations) == ANNOTATED
    assert {image["image"] for _, image in annotations} == {"r"}
    assert all(image["coco_url"] == image_pairs[image["task"] - project.tasks[0]][1] for _, image in annotations)

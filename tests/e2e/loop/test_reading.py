"""Annotations that scripts and bulk edits leave in Label Studio are trained on as the page shows them, or reported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from backend.loop.examples.examples import gather_examples
from backend.loop.examples.snapshot import take_snapshot
from backend.prediction.factory import read_config
from sync.geometry.overlap import box_overlap
from sync.geometry.shapes import Box
from sync.label_studio.annotations import read_annotations
from sync.label_studio.tasks import read_tasks
from tests.printed_tables import rows_of

if TYPE_CHECKING:
    from tests.e2e.loop.conftest import Loop, Project

WIDTH, HEIGHT = 200, 100
PICTURES = 20
"""One in five is held out at random; eight others must remain."""
SIDE = 30
STATED: tuple[dict[str, Any], ...] = (
    {},
    {"original_width": 100, "original_height": 50},
    {"original_width": "200.0", "original_height": 100.0},
    {"original_width": WIDTH, "original_height": HEIGHT},
)


def centre(number: int) -> tuple[int, int]:
    """Return the position of an image's galaxy, pixels."""
    return 30 + 37 * number % 140, 25 + 23 * number % 50


@pytest.fixture(scope="module")
def image_files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return images of 200x100 pixels with one Gaussian galaxy each."""
    folder = tmp_path_factory.mktemp("gaussians")
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    files = []
    for number in range(PICTURES):
        x, y = centre(number)
        light = 200 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 50)
        noise = np.random.default_rng(number).normal(12, 3, (HEIGHT, WIDTH))
        files.append(folder / f"gaussian-{number:02d}.png")
        Image.fromarray((light + noise).clip(0, 255).astype(np.uint8)).save(files[-1])
    return files


def config(*labels: str) -> str:
    label_tags = "".join(f'<Label value="{label}"/>' for label in labels)
    return f"""<View><Image name="image" value="$image"/>
    <RectangleLabels name="boxes" toName="image">{label_tags}</RectangleLabels></View>"""


def true_boxes(project: Project) -> dict[int, Box]:
    """Return the box around the galaxy of each task's image."""
    boxes = {}
    for task in read_tasks(project.loop.client, project.id):
        x, y = centre(int(task.data["image"].rsplit("gaussian-", 1)[1][:2]))
        boxes[task.id] = Box(x - SIDE / 2, y - SIDE / 2, SIDE, SIDE)
    return boxes


def teachers(project: Project) -> list[int]:
    """Return eight training tasks."""
    return [task for task in project.tasks if task not in project.held_out][:8]


def submit(project: Project, task: int, box: Box, label: str, stated_size: dict[str, Any]) -> int:
    value = {"x": box.x / WIDTH * 100, "y": box.y / HEIGHT * 100, "width": SIDE / WIDTH * 100, "height": SIDE / HEIGHT * 100}
    region = {"from_name": "boxes", "to_name": "image", "type": "rectanglelabels", **stated_size}
    body = {"result": [region | {"value": value | {"rotation": 0, "rectanglelabels": [label]}}]}
    return int(project.loop.client.send("POST", f"/api/tasks/{task}/annotations/", json=body)["id"])


def learned_boxes(project: Project) -> dict[int, list[tuple[Box, str]]]:
    """Return the boxes that a training reads from the current annotations."""
    config = read_config(project.state.label_config)
    snapshot = take_snapshot(read_annotations(project.loop.client, project.id))
    sizes_of = project.loop.services.predictors.extractor.sizes
    examples = gather_examples(snapshot.annotations, config, config.controls, sizes_of=sizes_of)["boxes"]
    return {image.task: [(box.box, box.label) for box in boxes] for image, boxes in examples.labels.items()}


def predicted_boxes(project: Project, version: str) -> dict[int, list[tuple[Box, str]]]:
    boxes = {}
    for prediction in project.predictions:
        if prediction.version == version:
            values = [region["value"] for region in prediction.result]
            boxes[prediction.task] = [
                (
                    Box(*(value[key] / 100 * side for key, side in zip(("x", "y", "width", "height"), SIDES, strict=True))),
                    value["rectanglelabels"][0],
                )
                for value in values
            ]
    return boxes


SIDES = (WIDTH, HEIGHT, WIDTH, HEIGHT)


def exported_boxes(project: Project, folder: Path) -> dict[int, list[float]]:
    """Return the boxes of a COCO export, which contains the size of every image."""
    project.loop.command(
        "export", str(project.id), "--format", "coco", "--output", str(folder), code=1
    )  # annotations with other sizes are reported
    coco = json.loads((folder / "annotations" / "train.json").read_text())
    assert {(image["width"], image["height"]) for image in coco["images"]} == {(WIDTH, HEIGHT)}
    return {entry["image_id"]: entry["bbox"] for entry in coco["annotations"]}


def test_boxes_are_read_in_percent_whatever_size_they_state(loop: Loop, image_files: list[Path], tmp_path: Path) -> None:
    project = loop.project_of(config("Galaxy", "Star"), image_files)
    truth = true_boxes(project)
    for number, task in enumerate(teachers(project)):
        submit(project, task, truth[task], " galaxy" if number % 2 else "Galaxy", STATED[number % len(STATED)])
    project.loop.wait_until(lambda: len(project.versions) > 1, "a version", project)
    project.wait_until_quiet()
    boxes_of_version = learned_boxes(project)
    assert sorted(boxes_of_version) == sorted(teachers(project))
    for task, ((box, label),) in boxes_of_version.items():
        assert label == "Galaxy"
        assert box_overlap(box, truth[task]) == pytest.approx(1)
    for task, edges in exported_boxes(project, tmp_path / "out").items():
        assert box_overlap(Box(*edges), truth[task]) == pytest.approx(1)
    live = project.record.live_name
    for task, boxes in predicted_boxes(project, live).items():
        assert 0 < len(boxes) < 5
        assert max(box_overlap(box, truth[task]) for box, _ in boxes) > 0.25
    assert "could be read" in loop.command("project", "problems", str(project.id))

    (task,) = project.to_do()[:1]
    annotation = submit(project, task, truth[task], "Nebula", {})
    loop.wait_until(lambda: "cannot be read: 1 " in project.record.status, "the problem is told", project)
    listing = loop.command("project", "problems", str(project.id))
    (row,) = (row for row in rows_of(listing) if "Nebula" in " ".join(row))
    assert row[:4] == [str(task), str(annotation), "boxes", "yes"]
    assert task not in learned_boxes(project)


def test_a_renamed_label_is_trained_under_its_new_name(loop: Loop, image_files: list[Path]) -> None:
    project = loop.project_of(config("Galaxy", "Thing"), image_files)
    truth = true_boxes(project)
    for task in teachers(project):
        submit(project, task, truth[task], "Galaxy", STATED[-1])
    project.loop.wait_until(lambda: len(project.versions) > 1, "a version", project)
    project.wait_until_quiet()
    number = len(project.versions)
    body = {"project": project.id, "old_label": ["Galaxy"], "new_label": ["Thing"]}
    assert loop.client.send("POST", "/api/labels/bulk", json=body)["annotations_updated"] == 8
    project.configure(config("Thing"))
    project.wait_for_version(number + 1)
    assert {label for boxes in learned_boxes(project).values() for _, label in boxes} == {"Thing"}
    prediction = predicted_boxes(project, project.record.live_name)
    assert set(project.to_do()) <= prediction.keys()
    for task in project.to_do():
        assert {label for _, label in prediction[task]} == {"Thing"}
        assert max(box_overlap(box, truth[task]) for box, _ in prediction[task]) > 0.25

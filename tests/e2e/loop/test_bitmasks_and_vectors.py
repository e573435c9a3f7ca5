"""Bitmasks and vectors: predicted, shown and submitted on Label Studio's page, prompted, trained on and exported.

`GALAXYLOOP_SCREENSHOTS=1` makes the test write its screenshot, `docs/images/bitmasks-and-vectors.png`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pycocotools.coco import COCO

from sync.controls import OBJECTS, bitmasklabels, keypointlabels
from sync.geometry.footprint import Footprint
from sync.geometry.shapes import Mask, Point, Polygon
from sync.labelling.config import parse
from tests.e2e.browser import open_page

if TYPE_CHECKING:
    from tests.e2e.loop.conftest import Loop, Project

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

PATIENCE_MS = 90_000
REGIONS = "Htx.annotationStore.selected.serializeAnnotation()"
"""As in tests/e2e/conftest.py."""
BATCH = 8
TYPES = {"bitmasklabels": "BitmaskLabels", "vectorlabels": "VectorLabels"}
IMAGES = Path(__file__).parents[3] / "docs/images"
CONFIG = """<View><Image name="image" value="$image" smoothing="false"/>
<BitmaskLabels name="mask" toName="image" smart="false"><Label value="Galaxy" background="#2f9e44"/></BitmaskLabels>
<VectorLabels name="outline" toName="image" closable="true" curves="true" opacity="0.1" smart="false">
<Label value="Galaxy" background="#e8590c"/></VectorLabels>
<KeyPointLabels name="click" toName="image" smart="true" smartOnly="true"><Label value="Galaxy"/></KeyPointLabels>
<BitmaskLabels name="paint" toName="image" smart="true" smartOnly="true"><Label value="Galaxy"/></BitmaskLabels></View>"""


def mask_of(region: dict[str, Any]) -> Mask:
    """Return the mask of a region, in the image size that the region states."""
    shape = OBJECTS[TYPES[region["type"]]].decode(region)
    return (
        Footprint.of_polygon(shape.shape, shape.size).to_mask(shape.size) if isinstance(shape.shape, Polygon) else shape.shape
    )


def by_type(result: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    return {kind: [region for region in result if region["type"] == kind] for kind in TYPES}


@pytest.fixture(scope="module")
def project(loop: Loop) -> Project:
    return loop.project_of(CONFIG, loop.tiles, batch=BATCH)


def test_the_page_shows_and_submits_the_predictions(project: Project, label_studio: Any, tmp_path: Path) -> None:
    predictions = {prediction.task: by_type(prediction.result) for prediction in project.predictions}
    task = max(predictions, key=lambda number: len(predictions[number]["bitmasklabels"]))
    predicted_regions = predictions[task]
    assert all(predicted_regions.values())
    with open_page(label_studio.url, size=(1500, 780), patience_ms=PATIENCE_MS) as page:
        page.goto(f"{label_studio.url}/projects/{project.id}/data?task={task}", wait_until="domcontentloaded")
        count = sum(map(len, predicted_regions.values()))
        page.wait_for_function(f"window.Htx && Htx.annotationStore.selected && {REGIONS}.length == {count}")
        page.wait_for_function("Htx.annotationStore.selected.objects[0].currentImageEntity.imageLoaded")
        page.wait_for_function("Htx.annotationStore.selected.regions.every(r => r.type != 'bitmaskregion' || r.bbox)")
        folder = IMAGES if os.environ.get("GALAXYLOOP_SCREENSHOTS") == "1" else tmp_path
        page.locator(".lsf-editor").screenshot(path=folder / "bitmasks-and-vectors.png", animations="disabled")
        with page.expect_response(lambda answer: "/annotations" in answer.url and answer.request.method == "POST"):
            page.keyboard.press("Control+Enter")
    (annotation,) = project.loop.client.get(f"/api/tasks/{task}/")["annotations"]
    submission = by_type(annotation["result"])
    for kind, regions in predicted_regions.items():
        assert len(submission[kind]) == len(regions)
        for before, after in zip(regions, submission[kind], strict=True):
            assert (mask_of(before) == mask_of(after)).all()


@pytest.mark.parametrize("tool", ["click", "paint"])
def test_a_click_and_a_drawn_bitmask_get_a_bitmask(loop: Loop, project: Project, tool: str) -> None:
    prediction = next(candidate for candidate in project.predictions if by_type(candidate.result)["bitmasklabels"])
    mask = mask_of(by_type(prediction.result)["bitmasklabels"][0])
    row, column = (int(place) for place in np.argwhere(mask).mean(axis=0))
    control, size = parse(CONFIG).control(tool), (mask.shape[1], mask.shape[0])
    assert control is not None
    if tool == "click":
        prompt = keypointlabels.encode(Point(column, row), control=control, label="Galaxy", size=size)
    else:
        prompt = bitmasklabels.encode(mask, control=control, label="Galaxy", size=size)
    (backend,) = loop.client.get("/api/ml", project=project.id)
    body = {"task": prediction.task, "context": {"result": [prompt | {"is_positive": True, "origin": "manual"}]}}
    answer = loop.client.send("POST", f"/api/ml/{backend['id']}/interactive-annotating", json=body)["data"]["result"]
    assert [region["type"] for region in answer] == ["bitmasklabels"]
    assert mask_of(answer[0])[row, column]


def test_heads_of_both_controls_are_trained_and_their_shapes_exported(loop: Loop, project: Project, tmp_path: Path) -> None:
    predictions = {entry.task: entry.result for entry in project.predictions}
    for task in [task for task in project.teachers(BATCH) if task in predictions]:
        loop.client.send("POST", f"/api/tasks/{task}/annotations/", json={"result": predictions[task]})
    project.wait_for_training(2)
    log_line = next(line for line in loop.worker.read_log().splitlines() if f"event=trained project={project.id} " in line)
    assert "heads=mask,outline" in log_line
    loop.command("export", str(project.id), "--output", str(tmp_path / "data"), "--format", "coco")
    coco = COCO(tmp_path / "data/annotations/train.json")
    controls = {entry["control"] for entry in coco.anns.values()}
    assert controls == {"mask", "outline"}
    assert all(coco.annToMask(entry).any() for entry in coco.anns.values())

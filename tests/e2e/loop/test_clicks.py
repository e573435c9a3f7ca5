"""Prompts on a pre-annotated task, as a real Label Studio sends them: with all rectangles and the regions on the screen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from sync.controls import brushlabels, keypointlabels, rectanglelabels
from sync.geometry.shapes import Box, Point
from sync.label_studio.projects import create_project, upload_images
from sync.label_studio.tasks import read_tasks
from sync.labelling.config import parse

if TYPE_CHECKING:
    from tests.e2e.loop.conftest import Loop

SIZE = (200, 100)
BRIGHT, FAINT, SKY = (60, 50), (150, 40), (105, 90)
CONFIG = """<View><Image name="image" value="$image"/>
<RectangleLabels name="boxes" toName="image" smart="false"><Label value="Galaxy"/></RectangleLabels>
<BrushLabels name="mask" toName="image" smart="false"><Label value="Galaxy"/></BrushLabels>
<KeyPointLabels name="click" toName="image" smart="true" smartOnly="true"><Label value="Galaxy"/></KeyPointLabels>
<RectangleLabels name="drag" toName="image" smart="true" smartOnly="true"><Label value="Galaxy"/></RectangleLabels></View>"""


def draw_galaxies(file: Path) -> Path:
    rows, columns = np.mgrid[: SIZE[1], : SIZE[0]]
    light = np.random.default_rng(4).normal(12, 2, rows.shape)
    for (x, y), peak in ((BRIGHT, 200), (FAINT, 30)):
        light += peak * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 6.0**2))
    Image.fromarray(light.clip(0, 255).astype(np.uint8)).save(file)
    return file


def test_a_prompt_on_a_pre_annotated_task_refers_to_the_new_region(loop: Loop, tmp_path: Path) -> None:
    holder = create_project(loop.client, "picture to click", '<View><Image name="image" value="$image"/></View>')
    upload_images(loop.client, holder, [draw_galaxies(tmp_path / "two.png")])
    data = [{"image": str(task.data["image"])} for task in read_tasks(loop.client, holder)]
    project = loop.import_project("clicks", CONFIG, data)
    regions = [region for prediction in project.predictions for region in prediction.result]
    (backend,) = loop.client.get("/api/ml", project=project.id)
    controls = {control.name: control for control in parse(CONFIG).controls}

    def send_prompt(*prompts: dict[str, Any]) -> list[dict[str, Any]]:
        body = {"task": project.tasks[0], "context": {"result": list(prompts)}}
        answer = loop.client.send("POST", f"/api/ml/{backend['id']}/interactive-annotating", json=body)
        return list(answer["data"]["result"]) if answer.get("data") else []

    def click(place: tuple[int, int], *, positive: bool = True) -> dict[str, Any]:
        point = keypointlabels.encode(Point(*place), control=controls["click"], label="Galaxy", size=SIZE)
        return point | {"is_positive": positive, "origin": "manual"}

    # Label Studio sends all rectangles of the annotation.
    copies = [region | {"origin": "prediction"} for region in regions if region["type"] == "rectanglelabels"]
    around = Box(FAINT[0] - 16, FAINT[1] - 16, 32, 32)
    box = rectanglelabels.encode(around, control=controls["drag"], label="Galaxy", size=SIZE) | {"origin": "manual"}
    assert copies
    (region,) = send_prompt(*copies, box)
    mask = brushlabels.decode(region).shape
    assert (mask[FAINT[::-1]], mask[BRIGHT[::-1]]) == (True, False)

    # A click on a predicted mask refines and replaces it.
    masks = {region["id"]: brushlabels.decode(region).shape for region in regions if region["type"] == "brushlabels"}
    under = next(name for name, mask in masks.items() if mask[BRIGHT[::-1]])
    edge = int(np.flatnonzero(masks[under][BRIGHT[1]]).max()) - 1, BRIGHT[1]
    (smaller_mask,) = send_prompt(click(BRIGHT), click(edge, positive=False))
    mask = brushlabels.decode(smaller_mask).shape
    assert smaller_mask["id"] == under
    assert (mask[BRIGHT[::-1]], mask[edge[::-1]]) == (True, False)
    assert mask.sum() > 0.6 * masks[under].sum()

    assert send_prompt(click(SKY)) == []

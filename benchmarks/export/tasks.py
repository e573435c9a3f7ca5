"""Synthetic annotated tasks for the export benchmark, as Label Studio's API lists them, and their images.

A task has a class, two boxes, two brush masks with ragged edges and an outline on an image of 256 pixels with a WCS; every
tenth was annotated by two people. There are no key points: Label Studio's converter fails on them where they have no
`model_index`. Masks and images come from a pool, because drawing them is not measured.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy import ndimage

from sync.controls import brushlabels, choices, polygonlabels, rectanglelabels
from sync.geometry.outlines import outline
from sync.geometry.shapes import Box, Mask, Polygon
from sync.labelling.config import Control, LabelConfig, parse

__all__ = ["CONFIG", "FRAME_OBJECTS", "FRAME_SIDE", "SIDE", "write_frame", "write_tasks"]

CONFIG = """<View>
  <Image name="image" value="$image"/>
  <Choices name="morphology" toName="image"><Choice value="Spiral"/><Choice value="Smooth"/><Choice value="Merger"/></Choices>
  <RectangleLabels name="boxes" toName="image"><Label value="Galaxy"/><Label value="Star"/></RectangleLabels>
  <BrushLabels name="masks" toName="image"><Label value="Galaxy"/><Label value="Star"/></BrushLabels>
  <PolygonLabels name="outlines" toName="image"><Label value="Galaxy"/><Label value="Star"/></PolygonLabels>
</View>"""

SIDE = 256
POOL = 64
TWO_PEOPLE_EVERY = 10
SIZE = (SIDE, SIDE)
FRAME_SIDE = 4000
FRAME_OBJECTS = 2000
"""Number of boxes, and number of outlines."""
FRAME_CORNERS = 24


def write_tasks(folder: Path, count: int) -> None:
    """Write `tasks.jsonl` (one task per line), `tasks.json` (the same tasks as one list), and their images."""
    images = [folder / f"pool{number}.png" for number in range(POOL)]
    random = np.random.default_rng(0)
    for image in images:
        Image.fromarray(random.integers(0, 60, (SIDE, SIDE, 3), dtype=np.uint8)).save(image)
    with (folder / "tasks.jsonl").open("w") as lines, (folder / "tasks.json").open("w") as json_file:
        for number, task in enumerate(_tasks(count, folder, images, random)):
            text = json.dumps(task)
            lines.write(text + "\n")
            json_file.write(("[" if number == 0 else ",\n") + text)
        json_file.write("]")


def write_frame(folder: Path) -> None:
    """Write one task, a frame of `FRAME_SIDE` pixels with `FRAME_OBJECTS` boxes and as many outlines, as `write_tasks` does."""
    config = parse(CONFIG)
    random = np.random.default_rng(0)
    size = (FRAME_SIDE, FRAME_SIDE)
    image = folder / "frame.png"
    Image.fromarray(random.integers(0, 60, size[::-1], dtype=np.uint8)).save(image)
    result = []
    phase = np.arange(FRAME_CORNERS) * (2 * np.pi / FRAME_CORNERS)
    for number in range(FRAME_OBJECTS):
        x, y = random.uniform(40, FRAME_SIDE - 40, 2)
        radius = random.uniform(4, 30) * random.uniform(0.9, 1.1, FRAME_CORNERS)
        points = np.stack([x + radius * np.cos(phase), y + radius * np.sin(phase)], axis=1)
        x, y, width, height = *random.uniform(0, FRAME_SIDE - 70, 2), *random.uniform(6, 60, 2)
        label = "Galaxy" if number % 4 else "Star"
        outline = Polygon(points)
        boxes, outlines = _control(config, "boxes"), _control(config, "outlines")
        result += [
            rectanglelabels.encode(Box(x, y, width, height), control=boxes, label=label, size=size),
            polygonlabels.encode(outline, control=outlines, label=label, size=size),
        ]
    task = {"id": 1, "data": {"image": str(image)}, "annotations": [_annotation(11, 1, result)], "predictions": []}
    (folder / "tasks.jsonl").write_text(json.dumps(task) + "\n")
    (folder / "tasks.json").write_text(json.dumps([task]))


def _tasks(count: int, folder: Path, images: list[Path], random: np.random.Generator) -> Iterator[dict[str, Any]]:
    config = parse(CONFIG)
    masks = [_blob(random) for _ in range(POOL)]
    objects = [_draw(mask, config) for mask in masks]
    for number in range(1, count + 1):
        people = 2 if number % TWO_PEOPLE_EVERY == 0 else 1
        annotations = []
        for person in range(1, people + 1):
            pair = [objects[place] for place in random.choice(POOL, 2, replace=False)]
            label = ("Spiral", "Smooth", "Merger")[random.choice(3, p=(0.5, 0.4, 0.1))]
            regions = [choices.encode([label], control=_control(config, "morphology"))]
            regions += [region for group in pair for region in group[:2]] + pair[0][2:]
            result = [{**region, "id": f"r{number}-{person}-{place}"} for place, region in enumerate(regions)]
            result = [{**region, "origin": "manual" if place % 2 else "prediction"} for place, region in enumerate(result)]
            annotations.append(_annotation(10 * number + person, person, result))
        image = folder / f"task{number}.png"
        os.link(images[number % POOL], image)
        data = {"image": str(image), "wcs": _cards(number)}
        yield {"id": number, "data": data, "annotations": annotations, "predictions": []}


def _annotation(number: int, person: int, result: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": number,
        "completed_by": person,
        "result": result,
        "was_cancelled": False,
        "created_at": "2026-11-01T10:00:00Z",
        "updated_at": f"2026-11-01T10:00:0{person}Z",
        "lead_time": 12.0,
        "parent_prediction": None,
        "parent_version": "v0003",
    }


def _draw(mask: Mask, config: LabelConfig) -> list[dict[str, Any]]:
    """Return the same object as a box, a mask and an outline."""
    rows, columns = np.nonzero(mask)
    box = Box(columns.min() - 0.37, rows.min() - 0.21, np.ptp(columns) + 1.9, np.ptp(rows) + 1.7)
    (polygon, *_) = outline(mask)
    of = {name: _control(config, name) for name in ("boxes", "masks", "outlines")}
    return [
        rectanglelabels.encode(box, control=of["boxes"], label="Galaxy", size=SIZE),
        brushlabels.encode(mask, control=of["masks"], label="Galaxy", size=SIZE),
        polygonlabels.encode(polygon, control=of["outlines"], label="Galaxy", size=SIZE),
    ]


def _blob(random: np.random.Generator) -> Mask:
    """Return an ellipse with a ragged edge."""
    y, x = np.mgrid[:SIDE, :SIDE]
    cx, cy = random.uniform(80, 176, 2)
    a, b, turn = random.uniform(20, 60), random.uniform(12, 30), random.uniform(0, np.pi)
    u, v = (x - cx) * np.cos(turn) + (y - cy) * np.sin(turn), (y - cy) * np.cos(turn) - (x - cx) * np.sin(turn)
    edge_noise = ndimage.gaussian_filter(random.normal(0, 0.7, (SIDE, SIDE)), 1.5)
    blob: Mask = (u / a) ** 2 + (v / b) ** 2 + edge_noise < 1
    return blob


def _cards(number: int) -> dict[str, Any]:
    """Return the WCS header of a cut-out of the Legacy Surveys at its own position."""
    scale = 0.262 / 3600
    return {
        "CTYPE1": "RA---TAN",
        "CTYPE2": "DEC--TAN",
        "CRVAL1": (number * 0.37) % 360,
        "CRVAL2": -30 + (number * 0.011) % 60,
        "CRPIX1": SIDE / 2 + 0.5,
        "CRPIX2": SIDE / 2 + 0.5,
        "CD1_1": -scale,
        "CD1_2": 0.0,
        "CD2_1": 0.0,
        "CD2_2": scale,
        "NAXIS1": SIDE,
        "NAXIS2": SIDE,
    }


def _control(config: LabelConfig, name: str) -> Control:
    control = config.control(name)
    assert control is not None
    return control

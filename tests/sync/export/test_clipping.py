"""Shapes are clipped at the edge of the image, and shapes outside of it are listed, in every format."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.table import Table
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from sync.geometry.clipping import clip_ring, ring_area
from sync.geometry.raster import rasterise
from sync.geometry.shapes import Polygon

WIDTH, HEIGHT = SIZE = (40, 30)
Exported = Callable[..., tuple[Path, Any]]
Say = Callable[..., dict[str, Any]]

TAGS = {"boxes": "rectanglelabels", "ellipses": "ellipselabels", "polygons": "polygonlabels", "points": "keypointlabels"}


def region_of(control: str, label: str = "Galaxy", **value: Any) -> dict[str, Any]:
    """Return a region as Label Studio stores it, in percent, without a check of its position."""
    region = {"id": f"r-{control}-{len(json.dumps(value))}", "from_name": control, "to_name": "image", "type": TAGS[control]}
    return {
        **region,
        "original_width": WIDTH,
        "original_height": HEIGHT,
        "image_rotation": 0,
        "value": {**value, TAGS[control]: [label]},
    }


def box(x: float, y: float, width: float, height: float, rotation: float = 0) -> dict[str, Any]:
    sides: dict[str, Any] = {
        "x": x / WIDTH * 100,
        "y": y / HEIGHT * 100,
        "width": width / WIDTH * 100,
        "height": height / HEIGHT * 100,
    }
    return region_of("boxes", **sides, rotation=rotation)


def ellipse(x: float, y: float, radius_x: float, radius_y: float, rotation: float = 0) -> dict[str, Any]:
    radii: dict[str, Any] = {"radiusX": radius_x / WIDTH * 100, "radiusY": radius_y / HEIGHT * 100}
    return region_of("ellipses", x=x / WIDTH * 100, y=y / HEIGHT * 100, **radii, rotation=rotation)


def polygon(*corners: tuple[float, float]) -> dict[str, Any]:
    return region_of("polygons", points=[[x / WIDTH * 100, y / HEIGHT * 100] for x, y in corners], closed=True)


def point(x: float, y: float) -> dict[str, Any]:
    return region_of("points", "Nucleus", x=x / WIDTH * 100, y=y / HEIGHT * 100, width=0.5)


OVER_THE_EDGE = {
    "box": box(-5, -3, 15, 10),
    "box over the far edges": box(30, 25, 20, 20),
    "box over all edges": box(-5, -5, 60, 60),
    "turned box": box(2, -4, 20, 10, rotation=30),
    "ellipse": ellipse(2, 2, 9.55, 5.8, rotation=20),
    "ellipse over a corner": ellipse(38, 28, 10, 6, rotation=130),
    "polygon": polygon((-10, 5), (20, -8), (15, 20)),
    "polygon around the image": polygon((-50, -50), (90, -40), (80, 80), (-60, 70)),
}
OUTSIDE = {
    "box": box(45, 5, 10, 10),
    "box that ends at the border": box(-10, 5, 10, 10),
    "turned box": box(60, 5, 10, 10, rotation=45),
    "ellipse": ellipse(60, 10, 6, 4),
    "ellipse beyond a corner": ellipse(-6, -6, 8, 8),
    "polygon": polygon((-10, 5), (-3, 8), (-5, 20)),
    "polygon beyond a corner": polygon((38, -9), (50, -9), (50, 3)),
    "point": point(41, 10),
}


@pytest.mark.parametrize("region", OVER_THE_EDGE.values(), ids=OVER_THE_EDGE)
def test_boxes_and_areas_of_coco_are_clipped_to_the_image(
    run_export: Exported, task: Say, annotation: Say, region: dict[str, Any]
) -> None:
    folder, summary = run_export([task(annotation(region))], "coco")
    (entry,) = json.loads((folder / "annotations" / "train.json").read_text())["annotations"]
    left, top, width, height = entry["bbox"]
    assert left >= 0
    assert top >= 0
    assert left + width <= WIDTH
    assert top + height <= HEIGHT
    assert summary.problems == 0
    if isinstance(entry["segmentation"], dict):
        mask = coco_mask.decode(entry["segmentation"])
        assert entry["area"] == mask.sum()
        assert coco_mask.toBbox(entry["segmentation"]).tolist() == pytest.approx([left, top, width, height], abs=1)
    else:
        ring = np.reshape(entry["segmentation"][0], (-1, 2))
        assert entry["area"] == pytest.approx(ring_area(ring))
        assert ring.min(axis=0) == pytest.approx([left, top])
        assert ring.max(axis=0) == pytest.approx([left + width, top + height])


def test_a_clipped_ellipse_has_the_box_of_its_visible_part(run_export: Exported, task: Say, annotation: Say) -> None:
    folder, _ = run_export([task(annotation(ellipse(2, 2, 9.55, 5.8)))], "coco")
    (entry,) = json.loads((folder / "annotations" / "train.json").read_text())["annotations"]
    assert entry["bbox"] == pytest.approx([0, 0, 11.55, 7.8], abs=0.01)
    assert entry["ellipse"] == pytest.approx([2, 2, 9.55, 5.8, 0])


@pytest.mark.parametrize("region", OVER_THE_EDGE.values(), ids=OVER_THE_EDGE)
def test_yolo_outlines_are_clipped_and_cover_the_same_pixels(
    run_export: Exported, task: Say, annotation: Say, region: dict[str, Any]
) -> None:
    folder, _ = run_export([task(annotation(region))], "yolo")
    coco, _ = run_export([task(annotation(region))], "coco")
    (entry,) = json.loads((coco / "annotations" / "train.json").read_text())["annotations"]
    (file,) = folder.glob("labels/train/*.txt")
    numbers = np.array(file.read_text().split()[1:], dtype=float)
    if len(numbers) == 4:
        x, y, width, height = numbers * (WIDTH, HEIGHT, WIDTH, HEIGHT)
        assert [x - width / 2, y - height / 2, width, height] == pytest.approx(entry["bbox"], abs=1e-6)
    else:
        assert numbers.min() >= 0
        assert numbers.max() <= 1
        ring = Polygon(numbers.reshape(-1, 2) * SIZE)
        differs = rasterise(ring, SIZE) != coco_mask.decode(entry["segmentation"]).astype(bool)
        assert differs.sum() <= 3  # pixel centres on an edge


@pytest.mark.parametrize("format", ["coco", "yolo", "parquet", "fits", "fits-table"])
@pytest.mark.parametrize("region", OUTSIDE.values(), ids=OUTSIDE)
def test_objects_outside_are_listed_and_the_rest_is_exported(
    run_export: Exported, task: Say, annotation: Say, region: dict[str, Any], format: str
) -> None:
    folder, summary = run_export([task(annotation(region, box(5, 5, 10, 10)))], format)
    assert summary.objects == 1
    with (folder / "problems.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["region"]]
    assert [(row["task"], row["region"]) for row in rows] == [("1", region["id"])]
    assert rows[0]["reason"].endswith("lies outside the image of 40x30 pixels")


def test_json_keeps_and_lists_objects_outside(run_export: Exported, task: Say, annotation: Say) -> None:
    folder, summary = run_export([task(annotation(OUTSIDE["box"], box(5, 5, 10, 10)))], "json")
    (exported_task,) = json.loads((folder / "train.json").read_text())
    assert len(exported_task["annotations"][0]["result"]) == 2
    assert summary.problems == 1


def test_a_self_intersecting_outline_is_clipped(run_export: Exported, task: Say, annotation: Say) -> None:
    _, summary = run_export([task(annotation(polygon((5, 5), (25, 25), (25, 5), (5, 25))))], "coco")
    assert (summary.objects, summary.problems) == (1, 0)


def test_boxes_are_the_same_in_all_formats(run_export: Exported, task: Say, annotation: Say) -> None:
    regions = [OVER_THE_EDGE[name] for name in ("box", "turned box", "ellipse", "polygon")]
    coco, _ = run_export([task(annotation(*regions))], "coco")
    boxes = [entry["bbox"] for entry in json.loads((coco / "annotations" / "train.json").read_text())["annotations"]]
    parquet, _ = run_export([task(annotation(*regions))], "parquet")
    (file,) = (parquet / "data").iterdir()
    assert [entry["bbox"] for entry in pq.read_table(file).to_pylist()[0]["objects"]] == boxes
    table, _ = run_export([task(annotation(*regions))], "fits-table")
    rows = Table.read(table / "objects.fits")
    assert np.column_stack([rows[f"box_{name}"] for name in ("x", "y", "width", "height")]) == pytest.approx(np.array(boxes))


def test_a_fits_mask_has_the_pixels_on_the_image(run_export: Exported, task: Say, annotation: Say) -> None:
    region = OVER_THE_EDGE["ellipse"]
    folder, _ = run_export([task(annotation(region))], "fits")
    coco, _ = run_export([task(annotation(region))], "coco")
    (entry,) = json.loads((coco / "annotations" / "train.json").read_text())["annotations"]
    table, _ = run_export([task(annotation(region))], "fits-table")
    assert Table.read(table / "objects.fits")["mask_area"][0] == pytest.approx(entry["area"], rel=0.03)
    (file,) = folder.glob("train/*.fits.gz")
    assert (fits.getdata(file, "INSTANCE") > 0).sum() == entry["area"]


def distance_to_edges(point: np.ndarray, points: np.ndarray) -> float:
    """Return the distance of a point from the nearest edge of an outline, pixels."""
    steps, offsets = np.roll(points, -1, axis=0) - points, point - points
    lengths = np.maximum((steps**2).sum(axis=1), 1e-300)
    along = np.clip((offsets * steps).sum(axis=1) / lengths, 0, 1)
    return float(np.hypot(*(offsets - along[:, None] * steps).T).min())


corner = st.tuples(st.floats(-60, 90), st.floats(-60, 90))


@given(st.lists(corner, min_size=3, max_size=8))
def test_a_clipped_outline_has_the_pixels_of_the_whole_one(corners: list[tuple[float, float]]) -> None:
    points = np.array(corners)
    cut = clip_ring(points, SIZE)
    raster = rasterise(Polygon(points), SIZE)
    if len(cut) < 3:
        assert not raster.any()
        return
    assert (cut >= 0).all()
    assert (cut <= SIZE).all()
    rows, columns = np.nonzero(rasterise(Polygon(cut), SIZE) != raster)
    for middle in np.column_stack([columns, rows]) + 0.5:
        assert distance_to_edges(middle, points) < 1e-6  # an edge passes through the pixel's centre

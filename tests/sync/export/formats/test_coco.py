"""COCO, read back by pycocotools."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from sync.export.formats.coco_rle import as_rle, empty_rle
from sync.geometry.corners import ellipse_corners
from sync.geometry.footprint import Footprint
from sync.geometry.raster import rasterise
from sync.geometry.shapes import Box, Ellipse, Mask, Point, Polygon

SIZE = (40, 30)
Exported = Callable[..., tuple[Path, Any]]
Say = Callable[..., dict[str, Any]]


def read(folder: Path, split: str = "train") -> COCO:
    return COCO(folder / "annotations" / f"{split}.json")


def only(coco: COCO) -> dict[str, Any]:
    (entry,) = coco.loadAnns(coco.getAnnIds())
    return dict(entry)


@given(arrays(np.bool_, st.tuples(st.integers(1, 12), st.integers(1, 12))).filter(np.any), st.integers(0, 5), st.integers(0, 5))
def test_a_mask_has_the_bytes_of_pycocotools(mask: Mask, right: int, below: int) -> None:
    image = np.pad(mask, ((below // 2, below - below // 2), (right // 2, right - right // 2)))
    whole = coco_mask.encode(np.asfortranarray(image, dtype=np.uint8))
    rle = as_rle(Footprint.of_mask(image), (image.shape[1], image.shape[0]))
    assert rle == {"size": list(image.shape), "counts": whole["counts"].decode()}
    assert (coco_mask.decode(rle).astype(bool) == image).all()


def test_an_empty_mask_has_the_bytes_of_pycocotools() -> None:
    rle = coco_mask.encode(np.zeros((30, 40), dtype=np.uint8, order="F"))
    assert empty_rle(SIZE)["counts"] == rle["counts"].decode()


def test_a_brush_mask_is_restored_from_the_file(
    run_export: Exported, task: Say, annotation: Say, region: Say, ragged_mask: Mask
) -> None:
    folder, _ = run_export([task(annotation(region("masks", ragged_mask, label="Arm", size=SIZE)))], "coco")
    coco = read(folder)
    entry = only(coco)
    assert (coco.annToMask(entry) == ragged_mask).all()
    assert entry["area"] == ragged_mask.sum()
    assert entry["bbox"] == [5, 4, 35, 26]
    assert coco.loadCats([entry["category_id"]])[0]["name"] == "Arm"


@pytest.mark.parametrize(("x", "y", "width", "height"), [(1.25, 2.5, 7.125, 3.0), (1 / 3, 0.1, 20 / 7, 11 / 9)])
def test_a_box_is_exact_to_a_thousandth_of_a_pixel(
    run_export: Exported, task: Say, annotation: Say, region: Say, x: float, y: float, width: float, height: float
) -> None:
    folder, _ = run_export([task(annotation(region("boxes", Box(x, y, width, height), label="Star", size=SIZE)))], "coco")
    assert only(read(folder))["bbox"] == pytest.approx([x, y, width, height], abs=1e-9)


def test_a_rotated_box_has_its_corners_and_an_upright_box(
    run_export: Exported, task: Say, annotation: Say, region: Say
) -> None:
    folder, _ = run_export([task(annotation(region("boxes", Box(20, 5, 10, 4, 90), label="Star", size=SIZE)))], "coco")
    entry = only(read(folder))
    assert entry["bbox"] == pytest.approx([16, 5, 4, 10])
    assert entry["segmentation"][0] == pytest.approx([20, 5, 20, 15, 16, 15, 16, 5])


def test_polygons_and_ellipses_have_pixels_and_parameters(
    run_export: Exported, task: Say, annotation: Say, region: Say
) -> None:
    polygon, ellipse = Polygon(np.array([[3.0, 4], [20, 6], [11, 22]])), Ellipse(20, 15, 9, 4, 30)
    regions = (region("polygons", polygon, label="Galaxy", size=SIZE), region("ellipses", ellipse, label="Galaxy", size=SIZE))
    folder, _ = run_export([task(annotation(*regions))], "coco")
    coco = read(folder)
    first, second = coco.loadAnns(coco.getAnnIds())
    assert (coco.annToMask(first) == rasterise(polygon, SIZE)).all()
    assert first["outline"] == pytest.approx(polygon.points.ravel().tolist())
    assert (coco.annToMask(second) == rasterise(ellipse_corners(ellipse), SIZE)).all()
    assert second["ellipse"] == pytest.approx([20, 15, 9, 4, 30])


def test_a_key_point_is_one_visible_point_of_its_category(
    run_export: Exported, task: Say, annotation: Say, region: Say
) -> None:
    folder, _ = run_export([task(annotation(region("points", Point(12.5, 7.25), label="Nucleus", size=SIZE)))], "coco")
    coco = read(folder)
    entry = only(coco)
    assert entry["keypoints"] == pytest.approx([12.5, 7.25, 2])
    assert entry["num_keypoints"] == 1
    assert coco.loadCats([entry["category_id"]])[0]["keypoints"] == ["centre"]


def test_coco_contains_images_with_their_answers(run_export: Exported, task: Say, annotation: Say, region: Say) -> None:
    folder, _ = run_export([task(annotation(region("morphology", ["Spiral"])))], "coco")
    coco = read(folder)
    (image,) = coco.loadImgs(coco.getImgIds())
    assert (image["width"], image["height"]) == SIZE
    assert (folder / "images" / image["file_name"]).read_bytes().startswith(b"\x89PNG")
    assert [answer["labels"] for answer in image["answers"]] == [["Spiral"]]
    assert coco.getAnnIds() == []


def test_a_missing_image_is_listed_and_keeps_its_annotations(
    run_export: Exported, task: Say, annotation: Say, region: Say
) -> None:
    note = annotation(region("boxes", Box(1, 2, 3, 4), label="Star", size=SIZE))
    folder, summary = run_export([task(note, image="/data/upload/1/missing.png")], "coco")
    assert only(read(folder))["bbox"] == pytest.approx([1, 2, 3, 4])
    assert summary.problems == 1
    assert "the image is missing" in (folder / "problems.csv").read_text()


def test_each_annotation_has_its_provenance(run_export: Exported, task: Say, annotation: Say, region: Say) -> None:
    note = annotation(region("boxes", Box(1, 2, 3, 4), label="Star", size=SIZE), by=5, at="2026-11-02T00:00:00Z")
    folder, _ = run_export([task(note)], "coco")
    provenance = json.loads((folder / "annotations" / "train.json").read_text())["annotations"][0]["provenance"]
    assert provenance == {
        "made_by": "human",
        "state": "drawn",
        "version": "",
        "annotators": [5],
        "annotations": [1],
        "time": "2026-11-02T00:00:00Z",
    }


# --- requirements of pycocotools


@pytest.fixture
def all_kinds(task: Say, annotation: Say, region: Say, ragged_mask: Mask) -> list[dict[str, Any]]:
    """Return objects of all kinds, and key points at the border."""
    regions = (
        region("masks", ragged_mask, label="Arm", size=SIZE),
        region("boxes", Box(4, 3, 10, 6), label="Star", size=SIZE),
        region("boxes", Box(20, 5, 10, 4, 30), label="Galaxy", size=SIZE),
        region("ellipses", Ellipse(20, 15, 9, 4, 30), label="Galaxy", size=SIZE),
        region("polygons", Polygon(np.array([[3.0, 4], [20, 6], [11, 22]])), label="Galaxy", size=SIZE),
    )
    points = [region("points", Point(x, y), label="Nucleus", size=SIZE) for x, y in ((12.5, 7.25), (0, 0), (40, 30))]
    return [task(annotation(*regions, points[0])), task(annotation(regions[1])), task(annotation(*points[1:]))]


def test_every_annotation_has_a_mask_a_box_and_an_area(run_export: Exported, all_kinds: list[dict[str, Any]]) -> None:
    folder, _ = run_export(all_kinds, "coco")
    coco = read(folder)
    for entry in coco.loadAnns(coco.getAnnIds()):
        assert coco.annToMask(entry).any() == (entry["num_keypoints"] == 0)
        assert entry["area"] > 0
        assert min(entry["bbox"]) >= 0
        assert min(entry["bbox"][2:]) > 0


def test_an_upright_box_is_filled(run_export: Exported, task: Say, annotation: Say, region: Say) -> None:
    folder, _ = run_export([task(annotation(region("boxes", Box(4, 3, 10, 6), label="Star", size=SIZE)))], "coco")
    coco = read(folder)
    mask = coco.annToMask(only(coco))
    assert mask.sum() == 60
    assert mask[3:9, 4:14].all()


@pytest.mark.parametrize("kind", ["bbox", "segm", "keypoints"])
def test_exact_detections_score_one_in_each_evaluation(
    run_export: Exported, all_kinds: list[dict[str, Any]], kind: str
) -> None:
    folder, _ = run_export(all_kinds, "coco")
    truth = read(folder)
    keys = ["image_id", "category_id", "bbox", "segmentation", "area", "keypoints"]
    points = [entry for entry in truth.dataset["annotations"] if (entry["num_keypoints"] > 0) == (kind == "keypoints")]
    detections = truth.loadRes([{**{key: entry[key] for key in keys}, "score": 1.0} for entry in points])
    evaluation = COCOeval(truth, detections, kind)
    evaluation.params.kpt_oks_sigmas = np.array([0.05])
    if kind != "keypoints":
        evaluation.params.catIds = sorted({entry["category_id"] for entry in points})
    evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ["all"]
    evaluation.evaluate()
    evaluation.accumulate()
    precision = evaluation.eval["precision"][..., -1]  # for the largest number of detections
    assert precision[precision > -1].mean() == pytest.approx(1)


def test_the_score_of_a_key_point_falls_with_its_distance(
    run_export: Exported, task: Say, annotation: Say, region: Say
) -> None:
    folder, _ = run_export([task(annotation(region("points", Point(12.5, 7.25), label="Nucleus", size=SIZE)))], "coco")
    truth = read(folder)
    similar = []
    for off in (0, 1, 10):
        entry = {"image_id": 1, "category_id": only(truth)["category_id"], "keypoints": [12.5 + off, 7.25, 2], "score": 1.0}
        evaluation = COCOeval(truth, truth.loadRes([entry]), "keypoints")
        evaluation.params.kpt_oks_sigmas = np.array([0.05])
        evaluation.evaluate()
        similar.append(float(evaluation.ious[1, entry["category_id"]][0, 0]))
    assert similar == pytest.approx([1, np.exp(-0.5), 0], abs=1e-3)


def test_a_file_of_another_size_is_listed(run_export: Exported, task: Say, annotation: Say, region: Say) -> None:
    note = annotation(region("boxes", Box(1, 2, 3, 4), label="Star", size=SIZE))
    folder, summary = run_export([task(note)], "coco", size=(80, 60))
    assert summary.problems == 1
    assert "the image file has 80x60 pixels, and the annotated one had 40x30" in (folder / "problems.csv").read_text()

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
    (found,) = coco.loadAnns(coco.getAnnIds())
    return dict(found)


@given(arrays(np.bool_, st.tuples(st.integers(1, 12), st.integers(1, 12))).filter(np.any), st.integers(0, 5), st.integers(0, 5))
def test_a_mask_has_the_bytes_that_pycocotools_gives_the_whole_image(mask: Mask, right: int, below: int) -> None:
    image = np.pad(mask, ((below // 2, below - below // 2), (right // 2, right - right // 2)))
    whole = coco_mask.encode(np.asfortranarray(image, dtype=np.uint8))
    rle = as_rle(Footprint.of_mask(image), image.shape[::-1])
    assert rle == {"size": list(image.shape), "counts": whole["counts"].decode()}
    assert (coco_mask.decode(rle).astype(bool) == image).all()


def test_a_mask_without_a_pixel_has_the_bytes_that_pycocotools_gives_it() -> None:
    whole = coco_mask.encode(np.zeros((30, 40), dtype=np.uint8, order="F"))
    assert empty_rle(SIZE)["counts"] == whole["counts"].decode()


def test_a_brush_mask_comes_back_from_the_file(
    exported: Exported, task: Say, annotation: Say, region: Say, ragged_mask: Mask
) -> None:
    folder, _ = exported([task(annotation(region("masks", ragged_mask, label="Arm", size=SIZE)))], "coco")
    coco = read(folder)
    found = only(coco)
    assert (coco.annToMask(found) == ragged_mask).all()
    assert found["area"] == ragged_mask.sum()
    assert found["bbox"] == [5, 4, 35, 26]
    assert coco.loadCats([found["category_id"]])[0]["name"] == "Arm"


@pytest.mark.parametrize(("x", "y", "width", "height"), [(1.25, 2.5, 7.125, 3.0), (1 / 3, 0.1, 20 / 7, 11 / 9)])
def test_a_box_comes_back_within_a_thousandth_of_a_pixel(
    exported: Exported, task: Say, annotation: Say, region: Say, x: float, y: float, width: float, height: float
) -> None:
    folder, _ = exported([task(annotation(region("boxes", Box(x, y, width, height), label="Star", size=SIZE)))], "coco")
    assert only(read(folder))["bbox"] == pytest.approx([x, y, width, height], abs=1e-9)


def test_a_turned_box_has_its_corners_and_the_box_around_them(
    exported: Exported, task: Say, annotation: Say, region: Say
) -> None:
    folder, _ = exported([task(annotation(region("boxes", Box(20, 5, 10, 4, 90), label="Star", size=SIZE)))], "coco")
    found = only(read(folder))
    assert found["bbox"] == pytest.approx([16, 5, 4, 10])
    assert found["segmentation"][0] == pytest.approx([20, 5, 20, 15, 16, 15, 16, 5])


def test_polygons_and_ellipses_are_pixels_and_keep_their_numbers(
    exported: Exported, task: Say, annotation: Say, region: Say
) -> None:
    polygon, ellipse = Polygon(np.array([[3.0, 4], [20, 6], [11, 22]])), Ellipse(20, 15, 9, 4, 30)
    drawn = (region("polygons", polygon, label="Galaxy", size=SIZE), region("ellipses", ellipse, label="Galaxy", size=SIZE))
    folder, _ = exported([task(annotation(*drawn))], "coco")
    coco = read(folder)
    first, second = coco.loadAnns(coco.getAnnIds())
    assert (coco.annToMask(first) == rasterise(polygon, SIZE)).all()
    assert first["outline"] == pytest.approx(polygon.points.ravel().tolist())
    assert (coco.annToMask(second) == rasterise(ellipse_corners(ellipse), SIZE)).all()
    assert second["ellipse"] == pytest.approx([20, 15, 9, 4, 30])


def test_a_key_point_is_one_visible_point_of_its_category(exported: Exported, task: Say, annotation: Say, region: Say) -> None:
    folder, _ = exported([task(annotation(region("points", Point(12.5, 7.25), label="Nucleus", size=SIZE)))], "coco")
    coco = read(folder)
    found = only(coco)
    assert found["keypoints"] == pytest.approx([12.5, 7.25, 2])
    assert found["num_keypoints"] == 1
    assert coco.loadCats([found["category_id"]])[0]["keypoints"] == ["centre"]


def test_the_images_stand_beside_it_with_what_was_said_of_them(
    exported: Exported, task: Say, annotation: Say, region: Say
) -> None:
    folder, _ = exported([task(annotation(region("morphology", ["Spiral"])))], "coco")
    coco = read(folder)
    (image,) = coco.loadImgs(coco.getImgIds())
    assert (image["width"], image["height"]) == SIZE
    assert (folder / "images" / image["file_name"]).read_bytes().startswith(b"\x89PNG")
    assert [answer["labels"] for answer in image["answers"]] == [["Spiral"]]
    assert coco.getAnnIds() == []


def test_an_image_that_is_gone_is_listed_and_keeps_its_annotations(
    exported: Exported, task: Say, annotation: Say, region: Say
) -> None:
    drawn = annotation(region("boxes", Box(1, 2, 3, 4), label="Star", size=SIZE))
    folder, done = exported([task(drawn, image="/data/upload/1/missing.png")], "coco")
    assert only(read(folder))["bbox"] == pytest.approx([1, 2, 3, 4])
    assert done.problems == 1
    assert "the image is missing" in (folder / "problems.csv").read_text()


def test_each_annotation_says_who_made_it(exported: Exported, task: Say, annotation: Say, region: Say) -> None:
    drawn = annotation(region("boxes", Box(1, 2, 3, 4), label="Star", size=SIZE), by=5, at="2026-11-02T00:00:00Z")
    folder, _ = exported([task(drawn)], "coco")
    made = json.loads((folder / "annotations" / "train.json").read_text())["annotations"][0]["provenance"]
    assert made == {
        "made_by": "human",
        "state": "drawn",
        "version": "",
        "annotators": [5],
        "annotations": [1],
        "time": "2026-11-02T00:00:00Z",
    }


# --- requirements of pycocotools


@pytest.fixture
def everything(task: Say, annotation: Say, region: Say, ragged_mask: Mask) -> list[dict[str, Any]]:
    """Return objects of all kinds, and key points at the border."""
    drawn = (
        region("masks", ragged_mask, label="Arm", size=SIZE),
        region("boxes", Box(4, 3, 10, 6), label="Star", size=SIZE),
        region("boxes", Box(20, 5, 10, 4, 30), label="Galaxy", size=SIZE),
        region("ellipses", Ellipse(20, 15, 9, 4, 30), label="Galaxy", size=SIZE),
        region("polygons", Polygon(np.array([[3.0, 4], [20, 6], [11, 22]])), label="Galaxy", size=SIZE),
    )
    points = [region("points", Point(x, y), label="Nucleus", size=SIZE) for x, y in ((12.5, 7.25), (0, 0), (40, 30))]
    return [task(annotation(*drawn, points[0])), task(annotation(drawn[1])), task(annotation(*points[1:]))]


def test_every_annotation_has_a_mask_a_box_and_an_area(exported: Exported, everything: list[dict[str, Any]]) -> None:
    folder, _ = exported(everything, "coco")
    coco = read(folder)
    for one in coco.loadAnns(coco.getAnnIds()):
        assert coco.annToMask(one).any() == (one["num_keypoints"] == 0)
        assert one["area"] > 0
        assert min(one["bbox"]) >= 0
        assert min(one["bbox"][2:]) > 0


def test_an_upright_box_is_filled(exported: Exported, task: Say, annotation: Say, region: Say) -> None:
    folder, _ = exported([task(annotation(region("boxes", Box(4, 3, 10, 6), label="Star", size=SIZE)))], "coco")
    coco = read(folder)
    mask = coco.annToMask(only(coco))
    assert mask.sum() == 60
    assert mask[3:9, 4:14].all()


@pytest.mark.parametrize("kind", ["bbox", "segm", "keypoints"])
def test_what_is_found_exactly_is_right_in_each_evaluation(
    exported: Exported, everything: list[dict[str, Any]], kind: str
) -> None:
    folder, _ = exported(everything, "coco")
    truth = read(folder)
    keys = ["image_id", "category_id", "bbox", "segmentation", "area", "keypoints"]
    points = [one for one in truth.dataset["annotations"] if (one["num_keypoints"] > 0) == (kind == "keypoints")]
    found = truth.loadRes([{**{key: one[key] for key in keys}, "score": 1.0} for one in points])
    evaluation = COCOeval(truth, found, kind)
    evaluation.params.kpt_oks_sigmas = np.array([0.05])
    if kind != "keypoints":
        evaluation.params.catIds = sorted({one["category_id"] for one in points})
    evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ["all"]
    evaluation.evaluate()
    evaluation.accumulate()
    precision = evaluation.eval["precision"][..., -1]  # for the largest number of detections
    assert precision[precision > -1].mean() == pytest.approx(1)


def test_a_point_a_pixel_off_is_half_right_and_one_far_off_is_wrong(
    exported: Exported, task: Say, annotation: Say, region: Say
) -> None:
    folder, _ = exported([task(annotation(region("points", Point(12.5, 7.25), label="Nucleus", size=SIZE)))], "coco")
    truth = read(folder)
    similar = []
    for off in (0, 1, 10):
        one = {"image_id": 1, "category_id": only(truth)["category_id"], "keypoints": [12.5 + off, 7.25, 2], "score": 1.0}
        evaluation = COCOeval(truth, truth.loadRes([one]), "keypoints")
        evaluation.params.kpt_oks_sigmas = np.array([0.05])
        evaluation.evaluate()
        similar.append(float(evaluation.ious[1, one["category_id"]][0, 0]))
    assert similar == pytest.approx([1, np.exp(-0.5), 0], abs=1e-3)


def test_a_file_of_another_size_than_was_annotated_is_listed(
    exported: Exported, task: Say, annotation: Say, region: Say
) -> None:
    drawn = annotation(region("boxes", Box(1, 2, 3, 4), label="Star", size=SIZE))
    folder, done = exported([task(drawn)], "coco", size=(80, 60))
    assert done.problems == 1
    assert "the image file has 80x60 pixels, and was annotated with 40x30" in (folder / "problems.csv").read_text()

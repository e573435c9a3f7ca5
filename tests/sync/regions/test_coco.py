"""COCO: masks equal pycocotools', boxes and key points are exact; every value of a file is checked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from sync.geometry.shapes import Box, Mask, Point
from sync.labelling.config import parse
from sync.labelling.reading import read_region
from sync.regions import coco
from sync.regions.fitting import RegionFitter
from sync.regions.marks import Canvas, Mark, MarkedImage, RegionsError

CANVAS = Canvas((64, 48))
CONFIG = parse(
    '<View><Image name="i" value="$i"/>'
    '<BrushLabels name="b" toName="i"><Label value="Galaxy"/><Label value="Star"/></BrushLabels></View>'
)
POLYGONS = [[10.2, 5.5, 40.7, 8.1, 30.3, 33.9, 12.0, 30.0], [50, 40, 60.5, 40, 60.5, 46.5]]


def drawn_mask() -> Mask:
    mask = np.zeros((48, 64), dtype=bool)
    mask[5:20, 5:30] = True
    mask[9:12, 20:24] = False
    mask[40:44, 50:60] = True
    return mask


def run_lengths(mask: Mask) -> list[int]:
    flat = mask.T.ravel().astype(int)
    turns = np.flatnonzero(np.diff(np.concatenate([[0], flat]))).tolist()
    return np.diff([0, *turns, flat.size]).tolist()


def write_file(file: Path, *annotations: dict[str, Any], **more: Any) -> Path:
    body = {
        "images": [{"id": 7, "file_name": "a/galaxy.png", "width": 64, "height": 48}],
        "categories": [{"id": 3, "name": "galaxy", "keypoints": ["nucleus", "tip"]}],
        "annotations": [{"id": 11 + place, "image_id": 7, "category_id": 3, **row} for place, row in enumerate(annotations)],
    }
    file.write_text(json.dumps(body | more))
    return file


def marks_of(file: Path) -> tuple[MarkedImage, tuple[Mark, ...]]:
    (image,), problems = coco.read(file)
    assert problems == []
    return image, image.marks


def import_mask(mark: Mark) -> Mask:
    return read_region(RegionFitter(CONFIG).object_region(mark, CANVAS, image="i"), CONFIG.controls[0], size=CANVAS.size).shape


def segmentations() -> dict[str, Any]:
    rle = coco_mask.encode(np.asfortranarray(drawn_mask().astype(np.uint8)))
    return {
        "polygons": POLYGONS,
        "compressed": {"size": [48, 64], "counts": rle["counts"].decode()},
        "uncompressed": {"size": [48, 64], "counts": run_lengths(drawn_mask())},
    }


@pytest.mark.parametrize("form", ["polygons", "compressed", "uncompressed"])
def test_masks_are_those_of_pycocotools(tmp_path: Path, form: str) -> None:
    file = write_file(
        tmp_path / "a.json",
        {"segmentation": segmentations()[form], "bbox": [1, 2, 3, 4], "iscrowd": int(form == "uncompressed")},
    )
    reader = COCO(file)
    expected = reader.annToMask(reader.anns[11]).astype(bool)
    image, (mark,) = marks_of(file)
    assert image.names == ("a/galaxy.png",)
    assert mark.labels == ("galaxy",)
    assert np.array_equal(import_mask(mark), expected)


def test_random_masks_are_restored(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    for _ in range(20):
        mask = random.random((48, 64)) < random.random()
        rle = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()
        _, (packed_mark, plain) = marks_of(
            write_file(
                tmp_path / "a.json",
                {"segmentation": {"size": [48, 64], "counts": rle}},
                {"segmentation": {"size": [48, 64], "counts": run_lengths(mask)}},
            )
        )
        assert np.array_equal(import_mask(packed_mark), mask)
        assert np.array_equal(import_mask(plain), mask)


def test_boxes_and_key_points_count_from_the_top_left_corner(tmp_path: Path) -> None:
    _, marks = marks_of(
        write_file(tmp_path / "a.json", {"bbox": [9, 28, 1, 1]}, {"keypoints": [0.5, 47.5, 2, 5, 5, 0], "num_keypoints": 1})
    )
    assert [mark.draw(CANVAS).shape for mark in marks] == [Box(9, 28, 1, 1), Point(0.5, 47.5)]
    assert marks[1].labels == ("nucleus", "galaxy")


@pytest.mark.parametrize(
    "row",
    [
        {"segmentation": {"size": [48, 64], "counts": "zzzz"}},
        {"segmentation": {"size": [48, 64], "counts": "PPPPPPPPPPPPPPPPPPPPPPPPP0"}},
        {"segmentation": {"size": [10**9, 10**9], "counts": [10**18]}},
        {"segmentation": {"size": [48, 64], "counts": [10, -5, 3067]}},
        {"segmentation": {"size": [48, 64], "counts": [10]}},
        {"segmentation": {"size": [48, 64]}},
        {"segmentation": {"size": [20, 20], "counts": [400]}},
        {"segmentation": [[1, 2, 3]]},
        {"segmentation": [[1, 2, 3, 4, 5, "a"]]},
        {"segmentation": [[1, 2, 3e9, 4, 5, 6]]},
        {"segmentation": [[1, 2, float("nan"), 4, 5, 6]]},
        {"bbox": [1, 2, 3]},
        {"bbox": [70, 2, 3, 3]},
        {"bbox": [1, 2, 3, 3], "category_id": 99},
        {"bbox": [1, 2, 3, 3], "image_id": 99},
        {"image_id": 7},
    ],
)
def test_a_bad_annotation_is_named_and_left_out_alone(tmp_path: Path, row: dict[str, Any]) -> None:
    (image,), problems = coco.read(write_file(tmp_path / "a.json", row, {"segmentation": POLYGONS}))
    names = [name for name, _ in problems]
    for mark in image.marks:
        try:
            import_mask(mark)
        except RegionsError:
            names.append(mark.name)
    assert names == ["annotation 11"]


@pytest.mark.parametrize("text", ["", "{", "[1", "3", '{"images": []}', "[" * 100_000, '{"annotations": {}}'])
def test_a_file_that_is_not_coco_is_rejected(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(RegionsError):
        coco.read(tmp_path / "a.json")


def test_detections_without_images_refer_to_tasks(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps([{"image_id": 12, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.25}]))
    image, (mark,) = marks_of(tmp_path / "a.json")
    assert (image.task, mark.score) == (12, 0.25)

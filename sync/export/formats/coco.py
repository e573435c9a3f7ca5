"""COCO: boxes, instance masks as RLE, and key points; one JSON file per split, and a folder of images.

Coordinates are pixels from the image's top-left corner, as in COCO. A box has its corners, clipped to the image, in
`segmentation`; `bbox` is the box itself, or the upright box around a rotated one. Brush masks, polygons and ellipses are RLE in
`segmentation`; the vertices of polygons and the parameters of ellipses are also in `outline` and `ellipse`. Answers about the
whole image are in `answers` of the image.

The evaluations of pycocotools read the same keys from every annotation of a file, whatever its category. A key point therefore
has an empty segmentation, a box and an area; in a file with key points all other annotations have `num_keypoints` 0.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import IO, Any

from sync.errors.images import ImageError
from sync.export.consensus.objects import SAME_POINT_PX
from sync.export.data_columns import content_of, data_for_json, original_name
from sync.export.dataset import Dataset
from sync.export.drawn_objects import DrawnObject
from sync.export.formats.coco_rle import as_rle, empty_rle
from sync.export.image_files import name_of
from sync.export.records import Record
from sync.geometry.clipping import ring_area
from sync.geometry.shapes import Box, Ellipse, Point, Polygon, Size

__all__ = ["category_number", "write"]

VISIBLE = 2
POINT_AREA = (2 * SAME_POINT_PX) ** 2
"""Square pixels. Object keypoint similarity scales distances by the root of the object's area; a point gets the area of the
square around it whose half side is `SAME_POINT_PX`."""


def write(records: Iterable[Record], folder: Path, *, dataset: Dataset) -> None:
    """Write `annotations/<split>.json` and `images/`.

    An image whose file cannot be read keeps its annotations. One whose size is unknown is left out.
    """
    (folder / "annotations").mkdir()
    (folder / "images").mkdir()
    with ExitStack() as stack:
        files = {split: stack.enter_context(_SplitFile(folder, split, dataset)) for split in dataset.splits}

        def write_record(record: Record) -> None:
            image_file = dataset.image_file_of(record)
            name = name_of(record, image_file.suffix if image_file else ".png")
            size = record.size or (image_file.size if image_file else None)
            if size is None:
                raise ImageError("COCO needs the size of the image, and neither its file nor an annotation states it")
            add_to_file = files[record.split].prepare(record, name=name, size=size)
            if image_file is not None:
                (folder / "images" / name).write_bytes(image_file.content)
            add_to_file()

        dataset.write_each(records, write_record)


class _SplitFile:
    """One COCO file, written record by record: images go to the file, and annotations to a temporary file next to it."""

    def __init__(self, folder: Path, split: str, dataset: Dataset) -> None:
        self._path = folder / "annotations" / f"{split}.json"
        self._dataset = dataset
        self._count = 0

    def __enter__(self) -> _SplitFile:
        self._gathering = self._path.with_suffix(".annotations")
        self._images: IO[str] = self._path.open("w", encoding="utf-8")
        self._annotations: IO[str] = self._gathering.open("w+", encoding="utf-8")
        self._images.write('{"info": ' + json.dumps(_info(self._dataset)) + ',\n"images": [')
        self._first = True
        return self

    def prepare(self, record: Record, *, name: str, size: Size) -> Callable[[], None]:
        """Encode an image with its annotations; return a function that adds them to the file."""
        image = {
            "id": record.number,
            "width": size[0],
            "height": size[1],
            "file_name": name,
            "original_file_name": original_name(record),
            "content_id": content_of(record),
            "data": data_for_json(self._dataset.data_columns, record),
            **_origin(record),
            "coco_url": record.reference if len(record.reference) < 2000 else "",
            "answers": [
                {"control": answer.control, "labels": list(answer.labels), "number": answer.number}
                | {"probability": answer.probability, "provenance": answer.provenance.as_json()}
                for answer in record.answers
            ],
        }
        objects_with_ids = enumerate(record.objects, start=self._count + 1)
        annotations = [json.dumps(self._annotation(obj, record, number=number)) for number, obj in objects_with_ids]
        return partial(self._add, json.dumps(image), annotations)

    def _add(self, image: str, annotations: list[str]) -> None:
        self._images.write(("\n" if self._first else ",\n") + image)
        self._first = False
        for annotation in annotations:
            self._annotations.write((",\n" if self._count else "\n") + annotation)
            self._count += 1

    def _annotation(self, obj: DrawnObject, record: Record, *, number: int) -> dict[str, Any]:
        annotation: dict[str, Any] = {
            "id": number,
            "image_id": record.number,
            "category_id": category_number(obj.label, self._dataset),
            "iscrowd": 0,
            **(_NO_KEYPOINT if "keypoint" in self._dataset.kinds else {}),
            **_geometry(obj),
            "region": obj.id,
            "control": obj.control,
            "provenance": obj.provenance.as_json(),
        }
        if obj.probability is not None:
            annotation["score"] = obj.probability
        return annotation

    def __exit__(self, *failure: object) -> None:
        self._images.write('\n],\n"annotations": [')
        self._annotations.seek(0)
        while part := self._annotations.read(1 << 20):
            self._images.write(part)
        self._images.write('\n],\n"categories": ' + json.dumps(_categories(self._dataset)) + "}\n")
        self._annotations.close()
        self._images.close()
        self._gathering.unlink()


def _origin(record: Record) -> dict[str, Any]:
    """Return the task, Image tag and page of an image; empty where each task has one image."""
    if record.image is None:
        return {}
    return {"task": record.task, "image": record.image[0], "page": record.image[1]}


def category_number(label: str, dataset: Dataset) -> int:
    """Return the category id of a class, from 1."""
    return dataset.labels.index(label) + 1


_NO_KEYPOINT = {"keypoints": [0, 0, 0], "num_keypoints": 0}
"""Fields of an object without a key point."""


def _geometry(obj: DrawnObject) -> dict[str, Any]:
    shape, box, footprint = obj.shape, obj.box(), obj.footprint()
    if isinstance(shape, Point):
        return {
            "keypoints": [shape.x, shape.y, VISIBLE],
            "num_keypoints": 1,
            "bbox": _around(shape, obj.size),
            "area": POINT_AREA,
            "segmentation": empty_rle(obj.size),
        }
    assert box is not None
    numbers: dict[str, Any] = {"bbox": [box.x, box.y, box.width, box.height]}
    if footprint is not None:
        numbers |= {"segmentation": as_rle(footprint, obj.size), "area": float(footprint.area)}
    elif isinstance(shape, Box):
        ring = obj.ring()
        numbers |= {"segmentation": [ring.ravel().tolist()], "area": ring_area(ring), "rotation": shape.rotation}
    if obj.merged_box is not None:
        numbers |= {"box_region": obj.merged_box.id, "box_control": obj.merged_box.control}
        box_shape = obj.merged_box.shape
        assert isinstance(box_shape, Box)
        numbers["drawn_box"] = [box_shape.x, box_shape.y, box_shape.width, box_shape.height, box_shape.rotation]
    if isinstance(shape, Polygon):
        numbers["outline"] = shape.points.ravel().tolist()
    if isinstance(shape, Ellipse):
        numbers["ellipse"] = [shape.x, shape.y, shape.radius_x, shape.radius_y, shape.rotation]
    return numbers


def _around(point: Point, size: Size) -> list[float]:
    """Return the square of half side `SAME_POINT_PX` around a point, clipped to the image, as [x, y, width, height].

    Readers drop boxes without an area.
    """
    left, top = max(point.x - SAME_POINT_PX, 0.0), max(point.y - SAME_POINT_PX, 0.0)
    right, low = min(point.x + SAME_POINT_PX, size[0]), min(point.y + SAME_POINT_PX, size[1])
    return [left, top, right - left, low - top]


def _info(dataset: Dataset) -> dict[str, str]:
    return {"description": dataset.title, "contributor": "galaxyloop export"}


def _categories(dataset: Dataset) -> list[dict[str, Any]]:
    return [
        {"id": category_number(label, dataset), "name": label, "supercategory": "object"}
        | ({"keypoints": ["centre"], "skeleton": []} if label in dataset.keypoint_labels else {})
        for label in dataset.labels
    ]

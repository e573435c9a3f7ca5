"""Parquet in the layout of the Hugging Face Hub: `data/<split>-00000-of-00001.parquet`, with the image's bytes in every row.

The metadata of the files contain the features that `datasets` reads, so that it decodes a row's image. A split without a task
has no file, since `datasets` cannot open a file without rows. Boxes are [x, y, width, height]; masks, polygons and ellipses are
COCO's compressed run-length encoding, [height, width] and counts, which pycocotools decodes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sync.export.data_columns import DataColumn, content_of, data_row, name_columns, original_name
from sync.export.dataset import Dataset
from sync.export.drawn_objects import DrawnObject
from sync.export.formats.coco_rle import as_rle
from sync.export.image_files import ImageFile, name_of
from sync.export.quantity_columns import quantity_cells
from sync.export.records import Record
from sync.export.texts import UNICODE, Texts, escape_text
from sync.geometry.shapes import Ellipse, Point, Polygon

__all__ = ["write"]

ROWS_AT_ONCE = 100
BYTES_AT_ONCE = 64 * 2**20
"""Limits of a row group, in rows and in bytes of images: a whole row group is held in memory."""

BYTES_A_FILE = 400 * 2**20
"""The Hub advises files of at most 500 MB."""

_PROVENANCE = {
    "made_by": pa.string(),
    "state": pa.string(),
    "version": pa.string(),
    "annotators": pa.list_(pa.int64()),
    "annotations": pa.list_(pa.int64()),
    "time": pa.string(),
}
_OBJECT = {
    "region": pa.string(),
    "control": pa.string(),
    "kind": pa.string(),
    "label": pa.string(),
    "probability": pa.float64(),
    "bbox": pa.list_(pa.float64()),
    "box_region": pa.string(),
    "rotation": pa.float64(),
    "point": pa.list_(pa.float64()),
    "outline": pa.list_(pa.float64()),
    "ellipse": pa.list_(pa.float64()),
    "mask_size": pa.list_(pa.int64()),
    "mask_counts": pa.string(),
    "area": pa.int64(),
    **_PROVENANCE,
}
_ANSWER = {
    "control": pa.string(),
    "labels": pa.list_(pa.string()),
    "number": pa.float64(),
    "probability": pa.float64(),
    **_PROVENANCE,
}
_TYPES = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}
_ROW = {
    "image": pa.struct({"bytes": pa.binary(), "path": pa.string()}),
    "task": pa.int64(),
    "image_name": pa.string(),
    "page": pa.int64(),
    "original_file_name": pa.string(),
    "content_id": pa.string(),
    "width": pa.int64(),
    "height": pa.int64(),
    "ra": pa.float64(),
    "dec": pa.float64(),
    "answers": pa.list_(pa.struct(_ANSWER)),
    "objects": pa.list_(pa.struct(_OBJECT)),
}


def write(records: Iterable[Record], folder: Path, *, dataset: Dataset) -> None:
    """Write `data/`; the image of a row is null if its file cannot be read."""
    (folder / "data").mkdir()
    texts = Texts(UNICODE, format="Parquet", report=dataset.report)
    quantities = [name for column in dataset.quantities for name in (column.name, column.error_name)]
    own_columns = [*_ROW, *quantities]
    extra = name_columns(
        _without_own(dataset.data_columns), reserved_names=own_columns, clean=partial(escape_text, pattern=UNICODE)
    )
    fields = _ROW | dict.fromkeys(quantities, pa.float64()) | {name: _TYPES[column.dtype] for name, column in extra.items()}
    with ExitStack() as stack:
        files = {split: stack.enter_context(_Split(folder / "data", split, fields)) for split in dataset.splits}

        def write_record(record: Record) -> None:
            row = _row(record, dataset.image_file_of(record))
            cells = quantity_cells(dataset.quantities, record.answers)
            row |= {name: None if math.isnan(cell) else cell for name, cell in zip(quantities, cells, strict=True)}
            row |= dict(zip(extra, data_row(extra.values(), record), strict=True))
            files[record.split].add(_escape_texts(row, texts, record.task))

        dataset.write_each(records, write_record)


class _Split:
    """The files of one split: collects rows into row groups, and row groups into files, which are renamed at the end."""

    def __init__(self, folder: Path, split: str, fields: dict[str, pa.DataType]) -> None:
        self._folder = folder
        self._split = split
        self._schema = pa.schema(fields, metadata={"huggingface": json.dumps({"info": {"features": _features(fields)}})})
        self._rows: list[pa.Table] = []
        self._bytes = 0
        self._files: list[Path] = []
        self._writer: pq.ParquetWriter | None = None

    def __enter__(self) -> _Split:
        return self

    def add(self, row: dict[str, Any]) -> None:
        self._rows.append(pa.Table.from_pylist([row], schema=self._schema))  # raises if a row does not match
        self._bytes += len(row["image"]["bytes"]) if row["image"] else 0
        if len(self._rows) == ROWS_AT_ONCE or self._bytes >= BYTES_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        if self._writer is None:
            self._files.append(self._folder / f"{self._split}-{len(self._files):05d}.unfinished")
            self._writer = pq.ParquetWriter(self._files[-1], self._schema)
        self._writer.write_table(pa.concat_tables(self._rows).combine_chunks())
        self._rows, self._bytes = [], 0
        if self._files[-1].stat().st_size > BYTES_A_FILE:
            self._close()

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def __exit__(self, *failure: object) -> None:
        if self._rows:
            self._flush()
        self._close()
        for number, file in enumerate(self._files):
            file.rename(self._folder / f"{self._split}-{number:05d}-of-{len(self._files):05d}.parquet")


def _row(record: Record, image_file: ImageFile | None) -> dict[str, Any]:
    width, height = record.size or (image_file.size if image_file else (None, None))
    ra, dec = record.sky.centre or (None, None)
    return {
        "image": None if image_file is None else {"bytes": image_file.content, "path": name_of(record, image_file.suffix)},
        "task": record.task,
        "image_name": None if record.image is None else record.image[0],
        "page": None if record.image is None else record.image[1],
        "original_file_name": original_name(record),
        "content_id": content_of(record),
        "width": width,
        "height": height,
        "ra": ra,
        "dec": dec,
        "answers": [
            {"control": answer.control, "labels": list(answer.labels), "number": answer.number}
            | {"probability": answer.probability, **answer.provenance.as_json()}
            for answer in record.answers
        ],
        "objects": [_object(obj) for obj in record.objects],
    }


def _without_own(columns: Iterable[DataColumn]) -> list[DataColumn]:
    """Return the columns without `ra` and `dec`, which `_ROW` contains."""
    return [column for column in columns if column.key not in ("ra", "dec")]


def _escape_texts(value: Any, texts: Texts, task: int) -> Any:
    """Return a row with its texts as UTF-8 can represent them."""
    if isinstance(value, str):
        return texts(value, task=task)
    if isinstance(value, dict):
        return {key: _escape_texts(item, texts, task) for key, item in value.items()}
    if isinstance(value, list) and value and not isinstance(value[0], int | float):
        return [_escape_texts(item, texts, task) for item in value]
    return value


def _object(obj: DrawnObject) -> dict[str, Any]:
    shape, box, footprint = obj.shape, obj.box(), obj.footprint()
    rle = {"size": None, "counts": None} if footprint is None else as_rle(footprint, obj.size)
    return {
        "region": obj.id,
        "control": obj.control,
        "kind": obj.kind,
        "label": obj.label,
        "probability": obj.probability,
        "bbox": None if box is None else [box.x, box.y, box.width, box.height],
        "box_region": None if obj.merged_box is None else obj.merged_box.id,
        "rotation": getattr(shape, "rotation", None),
        "point": [shape.x, shape.y] if isinstance(shape, Point) else None,
        "outline": shape.points.ravel().tolist() if isinstance(shape, Polygon) else None,
        "ellipse": [shape.x, shape.y, shape.radius_x, shape.radius_y, shape.rotation] if isinstance(shape, Ellipse) else None,
        "mask_size": rle["size"],
        "mask_counts": rle["counts"],
        "area": None if footprint is None else footprint.area,
        **obj.provenance.as_json(),
    }


def _features(fields: dict[str, pa.DataType]) -> dict[str, Any]:
    """Describe columns with the feature types that `datasets` 3 to 5 read; `List` exists only since 4."""
    return {name: {"_type": "Image"} if name == "image" else _feature(kind) for name, kind in fields.items()}


def _feature(kind: pa.DataType) -> dict[str, Any] | list[Any]:
    if pa.types.is_list(kind):
        feature = _feature(kind.value_type)
        # `datasets` reads a Sequence of structs as a struct of lists, and a list with one feature as a list of structs.
        return [feature] if pa.types.is_struct(kind.value_type) else {"feature": feature, "_type": "Sequence"}
    if pa.types.is_struct(kind):
        return {field.name: _feature(field.type) for field in kind}
    return {"dtype": "float64" if kind == pa.float64() else str(kind), "_type": "Value"}

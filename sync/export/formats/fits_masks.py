"""FITS masks: one file per image, with instance numbers and class numbers as integer images with the WCS of the cut-out.

The first row of a FITS image is the bottom one, so masks are flipped vertically and match the cut-out's own pixels. An integer
image holds one object per pixel. Where objects overlap, the file has several layers, `INSTANCE` and `CLASS` with EXTVER 1, 2
and so on. Each object is complete in one layer, so a reader can restore every mask exactly. The table `OBJECTS` describes each
instance number, and the table `TASK`, with one row, holds the columns of the task's data.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sync.errors.images import ImageError
from sync.export.data_columns import content_of, data_row, name_columns, original_name
from sync.export.dataset import Dataset
from sync.export.formats.fits_blocks import as_ascii, cards, image_block, pad_block, primary_block, table_header, text_dtype
from sync.export.formats.fits_columns import FitsTable, fits_name
from sync.export.formats.rows import LEFT_OUT, Column
from sync.export.image_files import name_of
from sync.export.records import Record
from sync.export.texts import FITS, Texts
from sync.geometry.footprint import Footprint
from sync.geometry.shapes import Size

__all__ = ["write"]

_COLUMNS = (
    ("instance", ">i4"),
    ("layer", ">i2"),
    ("class_number", ">i2"),
    ("class", "S"),
    ("kind", "S"),
    ("region", "S"),
    ("probability", ">f8"),
    ("made_by", "S"),
    ("state", "S"),
    ("version", "S"),
    ("annotator", "S"),
    ("time", "S"),
)


def write(records: Iterable[Record], folder: Path, *, dataset: Dataset) -> None:
    """Write `<split>/<task>.fits.gz`; tasks whose image has no known size are reported and left out."""
    texts = Texts(FITS, format="FITS", report=dataset.report)
    for split in dataset.splits:
        (folder / split).mkdir()

    def write_record(record: Record) -> None:
        size = record.size or record.sky.measured_size
        if size is None:
            raise ImageError("a mask needs the size of the image, and neither its file nor an annotation states it")
        file = folder / record.split / name_of(record, ".fits.gz")
        # Most pixels of a mask are 0. astropy's compressed images take 20 times as long to write.
        file.write_bytes(gzip.compress(_file(record, size, dataset, texts), compresslevel=1, mtime=0))

    dataset.write_each(records, write_record)


def _file(record: Record, size: Size, dataset: Dataset, texts: Texts) -> bytes:
    layers, layer_of = _paint(record, size, dataset.labels)
    header = record.sky.header(size)
    sky = "" if header is None else str(header.tostring(sep="", endcard=False, padding=False))
    blocks = [
        primary_block(cards({"TASK": record.task, "SPLIT": record.split, **_origin(record)}) + _class_cards(dataset.labels))
    ]
    for version, layer in enumerate(layers, start=1):
        blocks.append(image_block(layer.instances, "INSTANCE", version=version, sky=sky))
        blocks.append(image_block(layer.classes, "CLASS", version=version, sky=sky))
    blocks.append(_objects(record, layer_of, dataset, texts))
    blocks.append(_task(record, dataset, texts))
    return b"".join(blocks)


def _origin(record: Record) -> dict[str, str | int]:
    """Return the cards of the original file and, where tasks have several images, of the Image tag and the page."""
    origin: dict[str, str | int] = {"FILENAME": as_ascii(original_name(record)), "CONTENT": as_ascii(content_of(record))}
    return origin if record.image is None else {**origin, "IMAGE": as_ascii(record.image[0]), "PAGE": record.image[1]}


@lru_cache(maxsize=8)
def _class_cards(labels: tuple[str, ...]) -> str:
    return cards({f"CLASS{number}": as_ascii(label) for number, label in enumerate(labels, start=1)})


class _Layer:
    """Two images in display orientation, with the number of the object and of its class in each pixel; 0 is background."""

    def __init__(self, size: Size, *, instances: int, classes: int) -> None:
        self.instances: NDArray[Any] = np.zeros(size[::-1], dtype=_smallest(instances))
        self.classes: NDArray[Any] = np.zeros(size[::-1], dtype=_smallest(classes))

    def is_free(self, footprint: Footprint) -> bool:
        height, width = footprint.pixels.shape
        window = self.instances[footprint.y : footprint.y + height, footprint.x : footprint.x + width]
        return not window[footprint.pixels].any()


def _paint(record: Record, size: Size, labels: tuple[str, ...]) -> tuple[list[_Layer], dict[int, int]]:
    """Draw each object into the first layer where its pixels are free.

    Returns the layers, and maps the number of each object with a mask to the number of its layer; both count from 1.
    """
    new_layer = partial(_Layer, size, instances=len(record.objects), classes=len(labels))
    layers = [new_layer()]
    layer_of = {}
    for number, obj in enumerate(record.objects, start=1):
        footprint = obj.footprint()
        if footprint is None:
            continue
        place = next((n for n, layer in enumerate(layers) if layer.is_free(footprint)), len(layers))
        if place == len(layers):
            layers.append(new_layer())
        footprint.paint(layers[place].instances, number)
        footprint.paint(layers[place].classes, labels.index(obj.label) + 1)
        layer_of[number] = place + 1
    return layers, layer_of


def _smallest(largest: int) -> type[np.integer[Any]]:
    """Return the smallest integer type of FITS that holds 0 to `largest`; bytes are unsigned in FITS."""
    return np.uint8 if largest < 2**8 else np.int16 if largest < 2**15 else np.int32


def _objects(record: Record, layer_of: dict[int, int], dataset: Dataset, texts: Texts) -> bytes:
    """Return the table of all objects; those without a mask, such as boxes, have layer 0."""
    rows = [
        (
            number,
            layer_of.get(number, 0),
            dataset.labels.index(obj.label) + 1,
            texts(obj.label, task=record.task),
            obj.kind,
            texts(obj.id, task=record.task),
            np.nan if obj.probability is None else obj.probability,
            obj.provenance.made_by,
            obj.provenance.state,
            texts(obj.provenance.version, task=record.task),
            ",".join(map(str, obj.provenance.annotators)),
            obj.provenance.time,
        )
        for number, obj in enumerate(record.objects, start=1)
    ]
    widths = [
        max((len(str(row[place])) for row in rows), default=0) if form == "S" else 0 for place, (_, form) in enumerate(_COLUMNS)
    ]
    forms = [text_dtype(width) if form == "S" else form for width, (_, form) in zip(widths, _COLUMNS, strict=True)]
    dtype = np.dtype([(name, form) for (name, _), form in zip(_COLUMNS, forms, strict=True)])
    blanks = ("",) * len(_COLUMNS)
    header = table_header(dtype, "OBJECTS", rows=len(rows), units=blanks, comments=blanks)
    return header + pad_block(np.array(rows, dtype=dtype).tobytes())


_OF_TASK = ("task", "original_file_name", "content_id")


def _task(record: Record, dataset: Dataset, texts: Texts) -> bytes:
    """Return the table with the task's data in one row, with which a file can be joined to the imported catalogue."""
    extra = name_columns(
        [column for column in dataset.data_columns if column.key not in LEFT_OUT], reserved_names=_OF_TASK, clean=fits_name
    )
    types = (int, str, str, *(column.dtype for column in extra.values()))
    optional = (False, False, False, *(column.optional for column in extra.values()))
    names = (*_OF_TASK, *extra)
    table = FitsTable([Column(name, kind, "", "", "", may) for name, kind, may in zip(names, types, optional, strict=True)])
    row = (record.task, original_name(record), content_of(record), *data_row(extra.values(), record))
    data = table.data(table.encode([row], texts))
    return table.header("TASK") + pad_block(data)

"""Rows of a catalogue: one row per object, and one per answer about a whole image.

The columns of the tasks' data follow the catalogue's own columns, so that it can be joined to the imported catalogue.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.table import Table

from sync.errors.controls import quote
from sync.errors.images import ImageError
from sync.export.data_columns import DataColumn, content_of, data_row, name_columns, original_name
from sync.export.dataset import Dataset
from sync.export.drawn_objects import DrawnObject
from sync.export.measures import Measures, measure
from sync.export.quantity_columns import QuantityColumn, central_object, quantity_cells
from sync.export.records import Answer, Record
from sync.export.storage_references import as_stored

__all__ = ["COLUMNS", "Column", "Row", "columns_of", "empty_table", "extra_columns", "rows_of"]

Row = tuple[Any, ...]
"""Values in the order of `columns_of`. Missing values are NaN or "", and None in columns of the tasks' data."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a catalogue.

    Attributes
    ----------
    name : str
    dtype : type
        int, float or str; columns of the tasks' data may also be bool.
    unit : str
        As astropy writes it; empty for none.
    ucd : str
        Unified Content Descriptor of the Virtual Observatory; empty for none.
    description : str
    optional : bool
        Whether a value may be None.

    References
    ----------
    The UCD1+ controlled vocabulary, IVOA 2023.
    """

    name: str
    dtype: type
    unit: str
    ucd: str
    description: str
    optional: bool = False


COLUMNS = (
    Column("task", int, "", "meta.id.parent", "Label Studio's number of the task"),
    Column("annotation", str, "", "meta.id.assoc", "numbers of the annotations it comes from"),
    Column("region", str, "", "meta.id;meta.main", "Label Studio's id of the region"),
    Column("split", str, "", "meta.code.class", "train, validation or test"),
    Column("image", str, "", "meta.ref.url", "reference of the image"),
    Column("control", str, "", "meta.code", "name of the control in the labelling config"),
    Column(
        "kind", str, "", "meta.code.class", "box, ellipse, mask, polygon, keypoint, or image: an answer about the whole image"
    ),
    Column("class", str, "", "src.class", "label; several are joined by |, the levels of a taxonomy by /"),
    Column("value", float, "", "stat.value", "of a Number, in the project's own unit"),
    Column("probability", float, "", "stat.probability", "of the class: a model's score, or what consensus found"),
    Column("ra", float, "deg", "pos.eq.ra;meta.main", "right ascension of the centre, ICRS"),
    Column("dec", float, "deg", "pos.eq.dec;meta.main", "declination of the centre, ICRS"),
    Column("semi_major", float, "arcsec", "phys.angSize.smajAxis", "semi-major axis"),
    Column("semi_minor", float, "arcsec", "phys.angSize.sminAxis", "semi-minor axis"),
    Column("axis_ratio", float, "", "phys.size.axisRatio", "semi-minor by semi-major axis"),
    Column("position_angle", float, "deg", "pos.posAng", "of the major axis, from north through east, 0 to 180"),
    Column("area", float, "arcsec2", "phys.angArea", "of the mask"),
    Column("x", float, "pix", "pos.cartesian.x;instr.pixel", "centre from the image's left edge"),
    Column("y", float, "pix", "pos.cartesian.y;instr.pixel", "centre from the image's top edge"),
    Column("semi_major_px", float, "pix", "phys.size.smajAxis;instr.pixel", "semi-major axis"),
    Column("semi_minor_px", float, "pix", "phys.size.sminAxis;instr.pixel", "semi-minor axis"),
    Column("angle_px", float, "deg", "pos.posAng;instr.pixel", "of the major axis, from x (right) towards y (down), 0 to 180"),
    Column("mask_area", float, "pix", "phys.area;instr.pixel", "number of pixels of the mask"),
    Column("box_x", float, "pix", "pos.cartesian.x;instr.pixel", "left edge of the upright box around it"),
    Column("box_y", float, "pix", "pos.cartesian.y;instr.pixel", "top edge of the upright box around it"),
    Column("box_width", float, "pix", "phys.size;instr.pixel", "of the upright box around it"),
    Column("box_height", float, "pix", "phys.size;instr.pixel", "of the upright box around it"),
    Column("made_by", str, "", "meta.code", "human, model or mixed"),
    Column("state", str, "", "meta.code.status", "drawn, accepted, edited or mixed"),
    Column("version", str, "", "meta.version", "of the model"),
    Column("annotator", str, "", "meta.id", "Label Studio's numbers of the annotators"),
    Column("time", str, "", "time.processing", "of the last change, ISO 8601"),
    Column("image_name", str, "", "meta.id", "name of the Image tag, where tasks have several images"),
    Column("page", int, "", "meta.number", "of an image with pages, from 0"),
    Column("box_region", str, "", "meta.id.assoc", "Label Studio's id of the box that was drawn around the same object"),
    Column("original_file_name", str, "", "meta.id;meta.file", "of the image's file where it came from"),
    Column("content_id", str, "", "meta.id", "of the image's content, as the import wrote it"),
)

LEFT_OUT = frozenset({"wcs"})
"""Keys of the tasks' data that get no column in a catalogue: `ra` and `dec` contain the position."""


def extra_columns(dataset: Dataset, *, clean: Callable[[str], str] = lambda name: name) -> dict[str, DataColumn]:
    """Return the columns of the tasks' data that follow a catalogue's own columns.

    Parameters
    ----------
    dataset : Dataset
    clean : callable, optional
        Converts a name to one that the format can represent.

    Returns
    -------
    dict
        Maps the name of a column in the catalogue to the column of the tasks' data.
    """
    columns = [column for column in dataset.data_columns if column.key not in LEFT_OUT]
    own_columns = [*COLUMNS, *_columns_of_quantities(dataset.quantities)]
    return name_columns(columns, reserved_names=[column.name for column in own_columns], clean=clean)


def columns_of(dataset: Dataset, extra: Mapping[str, DataColumn]) -> tuple[Column, ...]:
    """Return the columns of a catalogue: its own columns, those of quantities, and those of `extra_columns`."""
    data_columns = (Column(name, data.dtype, "", "", "of the tasks' data", data.optional) for name, data in extra.items())
    return (*COLUMNS, *_columns_of_quantities(dataset.quantities), *data_columns)


def _columns_of_quantities(quantities: Sequence[QuantityColumn]) -> list[Column]:
    return [
        column
        for each in quantities
        for column in (
            Column(each.name, float, each.quantity.unit, each.quantity.ucd, each.quantity.description),
            Column(
                each.error_name,
                float,
                each.quantity.unit,
                f"stat.error;{each.quantity.ucd}",
                f"standard deviation of {each.name}, of a predicted value that was not changed",
            ),
        )
    ]


def rows_of(record: Record, dataset: Dataset, extra: Mapping[str, DataColumn]) -> list[Row]:
    """Return the rows of a record, in the order of `columns_of`.

    Raises
    ------
    ImageError
        If a value does not have the type of its column.
    """
    objects = record.objects
    measures = measure(objects, record.sky)
    names, further = (original_name(record), content_of(record)), data_row(extra.values(), record)
    quantities = dataset.quantities
    ra, dec = _centre(record) if record.answers else (np.nan, np.nan)
    rows = [
        (*_row_of_answer(answer, record, ra, dec), *names, *quantity_cells(quantities, [answer]), *further)
        for answer in record.answers
    ]
    central = central_object(record) if quantities else None
    for obj, measure_of_object in zip(objects, measures, strict=True):
        cells = quantity_cells(quantities, record.answers if obj is central else ())
        rows.append((*_row_of_object(obj, measure_of_object, record), *names, *cells, *further))
    for row in rows:
        _check_types(row)
    return rows


_TYPES: dict[type, type | tuple[type, ...]] = {int: int, float: (int, float), str: str}


def _check_types(row: Row) -> None:
    for column, value in zip(COLUMNS, row, strict=False):  # `data_row` converts the other columns
        if not isinstance(value, _TYPES[column.dtype]):
            raise ImageError(f"the column {column.name!r} must hold {column.dtype.__name__}, not {quote(value)}")


def empty_table(columns: Sequence[Column]) -> Table:
    """Return a table with the columns and no rows, from which formats write their headers."""
    table = Table({column.name: np.zeros(0, dtype=column.dtype) for column in columns})
    for column in columns:
        table[column.name].unit = column.unit or None
        table[column.name].description = column.description
        table[column.name].meta = {"ucd": column.ucd} if column.ucd else {}
    return table


def _centre(record: Record) -> tuple[float, float]:
    """Return the position of the image's galaxy, (ra, dec) in degrees: that of the task's data, else the image's centre."""
    if record.sky.centre is not None:
        return record.sky.centre
    size = record.size or record.sky.measured_size
    if size is None:
        return np.nan, np.nan
    ra, dec = record.sky.positions(np.array([[size[0] / 2, size[1] / 2]]), size)[0].tolist()
    return ra, dec


def _row_of_answer(answer: Answer, record: Record, ra: float, dec: float) -> Row:
    blank = np.nan
    values = ("|".join(answer.labels), blank if answer.number is None else answer.number, _probability(answer))
    measures = (ra, dec, *[blank] * 15)
    return (*_head(answer, record, "image"), *values, *measures, *_tail(answer, record))


def _row_of_object(obj: DrawnObject, measures: Measures, record: Record) -> Row:
    box = obj.box()
    corner = (np.nan,) * 4 if box is None else (box.x, box.y, box.width, box.height)
    on_sky = (
        measures.ra,
        measures.dec,
        measures.semi_major_arcsec,
        measures.semi_minor_arcsec,
        measures.axis_ratio,
        measures.position_angle,
        measures.area_arcsec2,
    )
    in_pixels = (measures.x, measures.y, measures.semi_major_px, measures.semi_minor_px, measures.angle_px, measures.area_px)
    values = (obj.label, np.nan, _probability(obj))
    return (*_head(obj, record, obj.kind), *values, *on_sky, *in_pixels, *corner, *_tail(obj, record))


def _head(entry: Answer | DrawnObject, record: Record, kind: str) -> tuple[Any, ...]:
    annotations = ",".join(map(str, entry.provenance.annotations))
    reference = as_stored(record.reference) if record.reference[:5].lower() != "data:" else ""
    return record.task, annotations, str(entry.region.get("id", "")), record.split, reference, entry.control, kind


def _tail(entry: Answer | DrawnObject, record: Record) -> tuple[Any, ...]:
    origin = entry.provenance
    provenance = (origin.made_by, origin.state, origin.version, ",".join(map(str, origin.annotators)), origin.time)
    box = entry.merged_box if isinstance(entry, DrawnObject) else None
    return (*provenance, *(record.image or ("", 0)), "" if box is None else box.id)


def _probability(entry: Answer | DrawnObject) -> float:
    return np.nan if entry.probability is None else entry.probability

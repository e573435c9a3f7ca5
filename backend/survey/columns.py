"""The columns of a survey's parts: one row per image, with the predictions of the heads as values instead of regions.

docs/scale.md describes them for users.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from backend.heads.detection.detected import Detected
from backend.prediction.control_models import ClassFiller, Filler, NumberFiller, ObjectFiller
from backend.prediction.features import ImageFeatures
from sync.controls import MASKS
from sync.labelling.config import Control

__all__ = ["Said", "ask", "column_of", "make_batch", "make_schema"]

EMBEDDING = "embedding"
_FIXED = {
    "id": pa.string(),
    "error": pa.string(),
    "width": pa.int32(),
    "height": pa.int32(),
    "version": pa.string(),
    "score": pa.float32(),
}
_BOX = {"label": pa.string(), "score": pa.float32(), "found_by": pa.string()} | dict.fromkeys(
    ("x", "y", "width", "height"), pa.float32()
)
_ELLIPSE = {"ellipse": pa.struct(dict.fromkeys(("x", "y", "radius_x", "radius_y", "rotation"), pa.float32()))}
_MASK = {"mask_counts": pa.list_(pa.uint32())}
_NUMBER = {"value": pa.float32(), "deviation": pa.float32()}
_HALF = (float(np.finfo(np.float16).min), float(np.finfo(np.float16).max))

Said = tuple[Any, float | None]
"""The prediction of a head for one image, and its score (None: no object was found)."""


def make_schema(fillers: Sequence[Filler], *, dimension: int, run: Mapping[str, Any]) -> pa.Schema:
    """Define the columns of a part.

    Parameters
    ----------
    dimension : int
        Of an embedding.
    run : mapping
        Description of the run; stored in each file's metadata under `galaxyloop`.
    """
    said = {column_of(filler.control): _type(filler) for filler in fillers}
    return pa.schema(_FIXED | {EMBEDDING: pa.list_(pa.float16(), dimension)} | said, metadata={"galaxyloop": json.dumps(run)})


def make_batch(
    rows: Sequence[Mapping[str, Any]], embeddings: Sequence[NDArray[np.float32] | None], schema: pa.Schema
) -> pa.RecordBatch:
    """Combine rows without embeddings, and the embeddings, into a record batch."""
    kind = schema.field(EMBEDDING).type
    whole = np.zeros((len(rows), kind.list_size), np.float16)
    for index, embedding in enumerate(embeddings):
        if embedding is not None:
            whole[index] = np.clip(embedding, *_HALF)
    missing = pa.array([embedding is None for embedding in embeddings])
    columns = [
        pa.FixedSizeListArray.from_arrays(pa.array(whole.ravel()), kind.list_size, mask=missing)
        if field.name == EMBEDDING
        else pa.array([row.get(field.name) for row in rows], field.type)
        for field in schema
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def column_of(control: Control) -> str:
    """Name of the column of a control: its own, unless that is taken."""
    return f"control_{control.name}" if control.name in (*_FIXED, EMBEDDING) else control.name


def ask(filler: Filler, features_of_images: Sequence[ImageFeatures]) -> list[Said]:
    """Predict each image with one head, for its column."""
    embeddings = [one.embedding for one in features_of_images if one.embedding is not None]
    assert len(embeddings) == len(features_of_images), "a survey embeds every image"
    if isinstance(filler, ClassFiller):
        probabilities = filler.probabilities(np.stack(embeddings))
        sure = filler.sureness(np.stack(embeddings), probabilities).tolist()
        labels = [label.value for label in filler.control.labels]
        return [(dict(zip(labels, row, strict=True)), one) for row, one in zip(probabilities.tolist(), sure, strict=True)]
    if isinstance(filler, NumberFiller):
        values, deviations = filler.predict(features_of_images)
        numbers = zip(values.tolist(), deviations.tolist(), filler.sureness(deviations).tolist(), strict=True)
        return [({"value": value, "deviation": deviation}, sure) for value, deviation, sure in numbers]
    assert isinstance(filler, ObjectFiller)
    return [_objects(filler, one) for one in features_of_images]


def _objects(filler: ObjectFiller, features: ImageFeatures) -> Said:
    found = filler.objects(features)
    assert features.size is not None
    rows = [_object(one, filler.control.tag, features.size) for one in found]
    return rows, float(np.mean([one.score for one in found])) if found else None


def _object(found: Detected, tag: str, size: tuple[int, int]) -> dict[str, Any]:
    box, ellipse = found.source.box, found.source.ellipse
    row: dict[str, Any] = {"label": found.label, "score": found.score, "found_by": found.found_by}
    row |= {"x": box.x, "y": box.y, "width": box.width, "height": box.height}
    if tag == "EllipseLabels":
        row["ellipse"] = {name: getattr(ellipse, name) for name in ("x", "y", "radius_x", "radius_y", "rotation")}
    if tag in MASKS:
        row["mask_counts"] = _counts(found.source.full_mask(size))
    return row


def _counts(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return COCO's uncompressed run lengths: column by column from the top left, starting with a run outside the mask."""
    flat = mask.ravel(order="F")
    turns = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    return np.diff(np.concatenate([[0] if not flat[0] else [0, 0], turns, [flat.size]]))


def _type(filler: Filler) -> pa.DataType:
    control = filler.control
    if isinstance(filler, ClassFiller):
        return pa.struct({label.value: pa.float32() for label in control.labels})
    if isinstance(filler, NumberFiller):
        return pa.struct(_NUMBER)
    more = _ELLIPSE if control.tag == "EllipseLabels" else _MASK if control.tag in MASKS else {}
    return pa.list_(pa.struct(_BOX | more))

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

from backend.prediction.control_models import ControlModel
from sync.labelling.config import Control
from sync.labelling.quantities import unit_of

__all__ = ["EMBEDDING", "INPUTS", "MISSING", "WRITE_OPTIONS", "column_of", "make_batch", "make_schema"]

EMBEDDING = "embedding"
WRITE_OPTIONS: dict[str, Any] = {"compression": "zstd", "use_dictionary": False}
"""Of the Parquet writer. By default, pyarrow begins each column with a dictionary of its values: embeddings hardly repeat, and
then take 3 times as long to write and 4 times as long to read."""
_FIXED = {
    "id": pa.string(),
    "error": pa.string(),
    "width": pa.int32(),
    "height": pa.int32(),
    "version": pa.string(),
    "score": pa.float32(),
}
INPUTS, MISSING = "inputs", "missing"
"""Columns with a field for each class and number: what it was predicted from, and why other inputs are missing."""
_HALF = (float(np.finfo(np.float16).min), float(np.finfo(np.float16).max))


def make_schema(models: Sequence[ControlModel], *, dimension: int, run: Mapping[str, Any]) -> pa.Schema:
    """Define the columns of a part.

    Parameters
    ----------
    dimension : int
        Length of an embedding.
    run : mapping
        Description of the run; stored in each file's metadata under `galaxyloop`.

    Returns
    -------
    pyarrow.Schema
        The column of a number that is a known quantity has its unit in its metadata, under `unit`.
    """
    controls = [_make_field(model) for model in models]
    with_inputs = [model.control.name for model in models if model.trains_on]
    inputs = {
        column: pa.struct(dict.fromkeys(with_inputs, kind))
        for column, kind in ((INPUTS, pa.list_(pa.string())), (MISSING, pa.string()))
        if with_inputs  # Parquet has no empty structures
    }
    columns = _FIXED | {EMBEDDING: pa.list_(pa.float16(), dimension)} | inputs
    return pa.schema([*columns.items(), *controls], metadata={"galaxyloop": json.dumps(run)})


def _make_field(model: ControlModel) -> pa.Field:
    unit = unit_of(model.control)
    return pa.field(column_of(model.control), model.column_type(), metadata={"unit": unit} if unit else None)


def make_batch(
    rows: Sequence[Mapping[str, Any]], embeddings: Sequence[NDArray[np.float32] | None], schema: pa.Schema
) -> pa.RecordBatch:
    """Combine rows without embeddings, and the embeddings, into a record batch."""
    kind = schema.field(EMBEDDING).type
    vectors = np.zeros((len(rows), kind.list_size), np.float16)
    for index, embedding in enumerate(embeddings):
        if embedding is not None:
            vectors[index] = np.clip(embedding, *_HALF)
    nulls = pa.array([embedding is None for embedding in embeddings])
    columns = [
        pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), kind.list_size, mask=nulls)
        if field.name == EMBEDDING
        else pa.array([row.get(field.name) for row in rows], field.type)
        for field in schema
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def column_of(control: Control) -> str:
    """Return the column name of a control: the control's name, with the prefix `control_` if a fixed column has that name."""
    return f"control_{control.name}" if control.name in (*_FIXED, EMBEDDING, INPUTS, MISSING) else control.name

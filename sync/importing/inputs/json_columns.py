"""Conversion of table columns to JSON values, with null for missing values."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.time import Time
from astropy.units import Quantity
from numpy.typing import NDArray

__all__ = ["json_rows", "json_values"]

LARGEST_INTEGER = 2**53
"""Largest exact integer in browsers, which parse JSON numbers as doubles; the ids of SDSS and Gaia are larger."""
ROWS_AT_ONCE = 1000
"""Rows per chunk: single values take ten times as long, whole columns need ten times the memory of the table."""


def json_rows(columns: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    """Yield the values of each row; a column with an integer above `LARGEST_INTEGER` is converted to strings in all rows.

    Parameters
    ----------
    columns : sequence of Column or mixin column
        Columns of equal length.
    """
    if not columns:
        return
    texts = [_integers_too_large(column) for column in columns]
    for start in range(0, len(columns[0]), ROWS_AT_ONCE):
        chunks = [json_values(column[start : start + ROWS_AT_ONCE]) for column in columns]
        for number, text in enumerate(texts):
            if text:
                chunks[number] = _as_texts(chunks[number])
        yield from zip(*chunks, strict=True)


def json_values(column: Any) -> list[Any]:
    """Return the values of a column: None for NaN, infinity and masked values, ISO 8601 for dates, dicts for coordinates.

    Parameters
    ----------
    column : Column, mixin column or ndarray
        Array values of a row become lists.
    """
    if isinstance(column, SkyCoord) and column.ndim == 1:
        names = [name for name in column.get_representation_component_names() if _has_values(getattr(column, name))]
        parts = [json_values(getattr(column, name)) for name in names]
        return [dict(zip(names, values, strict=True)) for values in zip(*parts, strict=True)]
    if isinstance(column, Time):
        column = column.isot
    elif isinstance(column, Quantity):
        column = column.value
    if not isinstance(column, np.ndarray):
        return [str(value) for value in column]
    data = np.asarray(getattr(column, "unmasked", column))
    mask = getattr(column, "mask", False)
    values, absent = _plain_array(data)
    if data.dtype.kind != "V":  # the mask of a structure has fields
        values[absent | mask] = None
    items: list[Any] = values.tolist()
    return [_plain(value) for value in items] if data.dtype.kind in "OV" else items


def _has_values(component: Quantity) -> bool:
    """Return whether a component has values; the distance of a direction is 1 and dimensionless."""
    return bool(component.unit.physical_type != "dimensionless")


def _plain_array(data: NDArray[Any]) -> tuple[NDArray[np.object_], NDArray[np.bool_]]:
    """Return Python values, and a mask of missing ones."""
    absent = np.zeros(data.shape, dtype=bool)
    kind = data.dtype.kind
    if kind in "fc":
        absent = ~np.isfinite(data)
    elif kind in "mM":
        absent = np.isnat(data)
    if kind == "f":
        data = _shortest(data)
    elif kind == "S":
        data = np.char.strip(np.char.decode(data, "utf-8", "replace"))
    elif kind in "mMc" or _integers_too_large(data):
        data = data.astype(str)
    return np.array(data, dtype=object), absent


def _shortest(data: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return doubles with the shortest decimals of the floats: 0.0342 for the nearest float32."""
    return (data.astype(str) if data.dtype.itemsize < 8 else data).astype(np.float64)


def _integers_too_large(column: Any) -> bool:
    dtype = getattr(column, "dtype", None)
    if dtype is None or dtype.kind not in "iu" or dtype.itemsize < 8 or not column.size:
        return False
    # Masked values can be any number; in that case a column may be converted to strings unnecessarily.
    data = np.asarray(column)
    return bool(data.max() > LARGEST_INTEGER or data.min() < -LARGEST_INTEGER)


def _as_texts(values: list[Any]) -> list[Any]:
    return [_as_texts(value) if isinstance(value, list) else None if value is None else str(value) for value in values]


def _plain(value: Any) -> Any:
    """Return the JSON value of a Python object."""
    match value:
        case np.ndarray() | np.generic():
            return json_values(np.asanyarray(value))
        case None | bool() | str():
            return value
        case int():
            return value if abs(value) <= LARGEST_INTEGER else str(value)
        case float():
            return value if math.isfinite(value) else None
        case Decimal():
            return _plain(int(value) if value.is_finite() and value.as_tuple().exponent == 0 else float(value))
        case bytes():
            return value.decode("utf-8", errors="replace").strip()
        case list() | tuple():
            return [_plain(element) for element in value]
        case dict():
            return {str(key): _plain(element) for key, element in value.items()}
        case _:
            return str(value)

"""Reader of Parquet files as tables, with exact strings, numbers and dates, and masks for missing values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
from astropy.table import Column, MaskedColumn, Table

from sync.importing.inputs.item import InputError
from sync.importing.inputs.table_bounds import MAX_BYTES, check_cells

__all__ = ["make_table", "read_parquet"]

ROWS_AT_ONCE = 1024


def read_parquet(file: Path) -> Table:
    """Read a Parquet file; columns with values that a table cannot contain are omitted.

    astropy reads the files that it wrote, with units, masks and times. For other files it rejects missing strings and rounds
    the integers of columns with missing values, so this module reads them.
    """
    with parquet.ParquetFile(file) as parquet_file:
        check_cells(parquet_file.metadata.num_rows, parquet_file.metadata.num_columns, file=file)
        read = _read(parquet_file, file=file)
    if b"table_meta_yaml" in (read.schema.metadata or {}):
        return Table.read(file, format="parquet")
    return make_table(read)


def make_table(arrow_table: pa.Table) -> Table:
    """Convert a table of Arrow; columns with values that a table of astropy cannot contain are omitted."""
    table = Table()
    for name, values in zip(arrow_table.column_names, arrow_table.columns, strict=True):
        column = _column(values)
        if column is not None:
            table.add_column(column, name=str(name), rename_duplicate=True)
    return table


def _read(parquet_file: parquet.ParquetFile, *, file: Path) -> pa.Table:
    """Read the file in batches up to `MAX_BYTES`, because a dictionary can expand to millions of long values."""
    batches, size = [], 0
    for batch in parquet_file.iter_batches(ROWS_AT_ONCE):
        size += batch.nbytes
        if size > MAX_BYTES:
            raise InputError(f"{file} unpacks to more than {MAX_BYTES} bytes, which are not read: leave out its long columns")
        batches.append(batch)
    return pa.Table.from_batches(batches, schema=parquet_file.schema_arrow)


def _column(values: pa.ChunkedArray) -> Column | None:
    kind = values.type
    try:
        if isinstance(kind, pa.BaseExtensionType):
            return _column(pa.chunked_array([chunk.storage for chunk in values.chunks], type=kind.storage_type))
        if pa.types.is_dictionary(kind):
            return _column(values.cast(kind.value_type))
        if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
            filler = pa.scalar(False if pa.types.is_boolean(kind) else 0).cast(kind)
            return MaskedColumn(values.fill_null(filler).to_numpy(), mask=values.is_null().to_numpy())
        if _is_text_or_date(kind):
            values = values.cast(pa.large_string())
        return _objects(values.to_pylist())
    except (pa.ArrowException, ValueError, OverflowError):
        return None


def _is_text_or_date(kind: pa.DataType) -> bool:
    """Return whether Arrow should convert the values to strings: dates with nanoseconds, and UTF-8 bytes."""
    types = pa.types
    is_date = types.is_timestamp(kind) or types.is_date(kind) or types.is_time(kind)
    is_bytes = types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind)
    return bool(is_date or is_bytes or types.is_binary_view(kind))


def _objects(values: list[object]) -> Column:
    """Return a column of objects and None; numpy would convert lists of equal lengths to a matrix."""
    data = np.empty(len(values), dtype=object)
    data[:] = values
    return Column(data)

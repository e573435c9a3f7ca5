"""Reader of Parquet files as tables, with exact strings, numbers and dates, and masks for missing values."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
from astropy.table import Column, MaskedColumn, Table

from sync.importing.inputs.item import InputError
from sync.importing.inputs.table_bounds import MAX_BYTES, check_cells

__all__ = ["make_table", "read_parquet", "read_parts"]

ROWS_AT_ONCE = 1024
YAML_KEY = b"table_meta_yaml"
"""Key of the metadata of files that astropy wrote."""


def read_parquet(file: Path) -> Table:
    """Read a Parquet file; columns with values that a table cannot contain are omitted.

    astropy reads the files that it wrote, with units, masks and times. For other files it rejects missing strings and rounds
    the integers of columns with missing values, so this module reads them.
    """
    with parquet.ParquetFile(file) as parquet_file:
        check_cells(parquet_file.metadata.num_rows, parquet_file.metadata.num_columns, file=file)
        if YAML_KEY not in (parquet_file.schema_arrow.metadata or {}):
            return make_table(_read(parquet_file, file=file))
        _read(parquet_file, file=file)  # rejects a file that unpacks to more than is read
    return Table.read(file, format="parquet")


def read_parts(file: Path, *, rows: int) -> Iterator[Table]:
    """Yield a Parquet file as tables of at least `rows` rows, of which the last may have fewer; bounds as `read_parquet`."""
    with parquet.ParquetFile(file) as parquet_file:
        if YAML_KEY in (parquet_file.schema_arrow.metadata or {}):
            yield read_parquet(file)
            return
        check_cells(parquet_file.metadata.num_rows, parquet_file.metadata.num_columns, file=file)
        batches: list[pa.RecordBatch] = []
        for batch in _read_batches(parquet_file, file=file):
            batches.append(batch)
            if sum(len(each) for each in batches) >= rows:
                yield make_table(pa.Table.from_batches(batches, schema=parquet_file.schema_arrow))
                batches = []
        if batches:
            yield make_table(pa.Table.from_batches(batches, schema=parquet_file.schema_arrow))


def make_table(arrow_table: pa.Table) -> Table:
    """Convert a table of Arrow; columns with values that a table of astropy cannot contain are omitted.

    The memory of each column is released once it is converted, unless the caller keeps the table.
    """
    table = Table()
    while arrow_table.num_columns:
        name, values = arrow_table.column_names[0], arrow_table.column(0)
        arrow_table = arrow_table.remove_column(0)
        column = _column(values)
        if column is not None:
            table.add_column(column, name=str(name), rename_duplicate=True, copy=False)
    return table


def _read(parquet_file: parquet.ParquetFile, *, file: Path) -> pa.Table:
    return pa.Table.from_batches(list(_read_batches(parquet_file, file=file)), schema=parquet_file.schema_arrow)


def _read_batches(parquet_file: parquet.ParquetFile, *, file: Path) -> Iterator[pa.RecordBatch]:
    """Read the file in batches up to `MAX_BYTES`, because a dictionary can expand to millions of long values."""
    size = 0
    for batch in parquet_file.iter_batches(ROWS_AT_ONCE):
        size += batch.nbytes
        if size > MAX_BYTES:
            raise InputError(f"{file} unpacks to more than {MAX_BYTES} bytes, which are not read: leave out its long columns")
        yield batch


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

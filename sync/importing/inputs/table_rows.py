"""Reader of images in the rows of a Parquet file.

Two layouts are supported: a column `image` of encoded images, and that of the Hugging Face Hub, where `image` has the fields
`bytes` and `path`. The name of a row is its value in the column `id`, if there is one. Further columns are the catalogue of the
galaxies; a column `spectrum` may hold the files of their spectra.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet

from sync.errors.images import ImageError
from sync.importing.inputs.galaxy_row import GalaxyRow
from sync.importing.inputs.item import InputError

__all__ = ["Rows", "count_rows", "read_galaxies", "read_images", "read_names"]

ROWS_AT_ONCE = 64
NAMES_AT_ONCE = 1024
BUFFER_BYTES = 2**20
"""Read buffer of a column, bytes; without it, pyarrow reads a whole row group, which may have gigabytes."""
SPECTRUM = "spectrum"
"""Column of spectra: the content of their files, or their names, which are columns like any other."""
TAIL_BYTES = 8
"""Size of the end of a Parquet file: the length of its footer, and `PAR1`."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Number and identity of the rows of a Parquet file.

    Attributes
    ----------
    count : int
    fingerprint : str
        Hash of the file's size and footer; the footer has the offset, length, smallest and largest value of every column of
        every row group. A copy on another machine has the same hash.
    """

    count: int
    fingerprint: str


def count_rows(file: Path) -> Rows:
    """Count the rows of a Parquet file with images, and hash its footer.

    Raises
    ------
    InputError
        If the file cannot be read or has no column of images.
    """
    try:
        with _open(file) as (parquet_file, fingerprint):
            names = parquet_file.schema_arrow.names
            if "image" not in names:
                raise InputError(f"{file} has no column `image` with encoded images, only {', '.join(names)}")
            kind = parquet_file.schema_arrow.field("image").type
            if not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or _holds_bytes(kind)):
                raise InputError(f"the column `image` of {file} holds {kind}, not the bytes of encoded images")
            return Rows(int(parquet_file.metadata.num_rows), fingerprint)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{file} cannot be read as Parquet: {_first_line(error)}") from error


def read_images(file: Path, first: int, count: int, *, name: str, fingerprint: str | None = None) -> Iterator[GalaxyRow]:
    """Yield the names and images of rows, as `read_galaxies` does, without reading the other columns."""
    return _read(file, first, count, name=name, fingerprint=fingerprint, with_columns=False)


def read_galaxies(file: Path, first: int, count: int, *, name: str, fingerprint: str | None = None) -> Iterator[GalaxyRow]:
    """Yield `count` rows from `first` on; for rows after damage in a row group, yield an error.

    The name of a row without one is the file's `name` and the number of the row. Rows before `first` in the same row group are
    read and discarded, so row groups of a few thousand rows are best.

    Raises
    ------
    InputError
        If the file cannot be read, has another `fingerprint`, or has too few rows.
    """
    return _read(file, first, count, name=name, fingerprint=fingerprint, with_columns=True)


def _read(file: Path, first: int, count: int, *, name: str, fingerprint: str | None, with_columns: bool) -> Iterator[GalaxyRow]:
    end = first + count
    count_read = 0
    try:
        with _open(file) as (parquet_file, current):
            if fingerprint not in (None, current):
                raise InputError(f"{file} has changed since its rows were counted: restore it, or start again")
            columns = [field.name for field in parquet_file.schema_arrow if _is_read(field, with_columns=with_columns)]
            start = 0
            for group in range(parquet_file.metadata.num_row_groups):
                rows = range(max(first, start), min(end, start + parquet_file.metadata.row_group(group).num_rows))
                for row in _rows_of_group(parquet_file, group, columns, file=name, start=start, rows=rows):
                    yield row
                    count_read += 1
                start += parquet_file.metadata.row_group(group).num_rows
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{file} can no longer be read as Parquet: {_first_line(error)}") from error
    if count_read < count:
        raise InputError(f"{file} has only {count_read} of the rows {first} to {end - 1}: restore it, or start again")


def read_names(file: Path, first: int, count: int) -> Iterator[str]:
    """Yield the names of `count` rows from `first` on, as `read_images` does, without reading the images.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    end = first + count
    start = 0
    try:
        with _open(file) as (parquet_file, _):
            schema = parquet_file.schema_arrow
            kind = schema.field("image").type
            has_path = pa.types.is_struct(kind) and kind.get_field_index("path") >= 0
            columns = [*(["id"] if "id" in schema.names else []), *(["image.path"] if has_path else [])]
            if not columns:
                yield from (f"{file}#{row}" for row in range(first, end))
                return
            for batch in parquet_file.iter_batches(NAMES_AT_ONCE, columns=columns):
                for number, row in enumerate(batch.to_pylist(), start):
                    if first <= number < end:
                        yield _name_of_row({"image": None, **row}, str(file), number)
                start += batch.num_rows
                if start >= end:
                    return
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{file} cannot be read as Parquet: {_first_line(error)}") from error


@contextmanager
def _open(file: Path) -> Iterator[tuple[parquet.ParquetFile, str]]:
    """Open a file and hash its footer; reads use the open file, even if another file replaces it."""
    with pa.OSFile(str(file)) as raw:
        size = raw.size()
        raw.seek(max(size - TAIL_BYTES, 0))
        footer = min(int.from_bytes(raw.read(4), "little"), size)
        raw.seek(max(size - TAIL_BYTES - footer, 0))
        fingerprint = hashlib.sha256(size.to_bytes(8, "big") + raw.read(footer)).hexdigest()[:16]
        with parquet.ParquetFile(raw, buffer_size=BUFFER_BYTES) as parquet_file:
            yield parquet_file, fingerprint


def _rows_of_group(
    parquet_file: parquet.ParquetFile, group: int, columns: list[str], *, file: str, start: int, rows: range
) -> Iterator[GalaxyRow]:
    """Yield the rows in `rows` of a row group, whose first row is row `start` of the file."""
    if not rows:
        return
    number = rows.start
    try:
        for batch in parquet_file.iter_batches(ROWS_AT_ONCE, row_groups=[group], columns=columns):
            begin, start = start, start + batch.num_rows
            batch = batch.slice(max(number - begin, 0), max(min(rows.stop, start) - number, 0))
            for row in _rows_of_batch(batch, file, number):
                yield row
                number += 1
            if number == rows.stop:
                return
    except (pa.ArrowException, OSError) as error:
        reason = ImageError(f"the Parquet file is damaged here: {_first_line(error)}")
        for row_number in range(number, rows.stop):
            yield GalaxyRow(f"{file}#{row_number}", reason)


def _is_read(column: pa.Field, *, with_columns: bool) -> bool:
    """Return whether a column is read: of the catalogue all but lists, structures and bytes, which hold no numbers."""
    if column.name in ("id", "image"):
        return True
    is_nested, is_bytes = pa.types.is_nested(column.type), _is_bytes(column.type)
    return with_columns and not is_nested and (column.name == SPECTRUM or not is_bytes)


def _rows_of_batch(batch: pa.RecordBatch, file: str, start: int) -> Iterator[GalaxyRow]:
    """Yield the rows of a batch, whose first row is row `start` of the file."""
    names = batch.schema.names
    spectra: list[bytes | None] = [None] * batch.num_rows
    if SPECTRUM in names and _is_bytes(batch.schema.field(SPECTRUM).type):
        spectra = batch.column(SPECTRUM).to_pylist()
        names = [name for name in names if name != SPECTRUM]
    images = batch.select([name for name in names if name in ("id", "image")]).to_pylist()
    catalogue = _catalogue(batch.select([name for name in names if name not in ("id", "image")]))
    for number, (row, columns, spectrum) in enumerate(zip(images, catalogue, spectra, strict=True), start):
        yield GalaxyRow(_name_of_row(row, file, number), _content(row["image"]), columns, spectrum)


def _catalogue(batch: pa.RecordBatch) -> list[Mapping[str, Any]]:
    if not batch.num_columns or not batch.num_rows:
        return [{}] * batch.num_rows
    from sync.importing.inputs.catalogue import rows  # astropy takes time to import
    from sync.importing.inputs.parquet_table import make_table

    return [row.columns for row in rows(make_table(pa.Table.from_batches([batch])))]


def _is_bytes(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind))


def _holds_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_struct(kind)) and kind.get_field_index("bytes") >= 0


def _name_of_row(row: dict[str, object], file: str, number: int) -> str:
    image = row["image"]
    name = row.get("id")
    if name is None and isinstance(image, dict):
        name = image.get("path")
    return f"{file}#{number}" if name is None else str(name)


def _content(image: object) -> bytes | ImageError:
    content = image.get("bytes") if isinstance(image, dict) else image
    return content if isinstance(content, bytes) else ImageError("the row has no image")


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__

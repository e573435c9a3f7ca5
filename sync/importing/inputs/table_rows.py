"""Reader of images in the rows of a Parquet file.

Two layouts are supported: a column `image` of encoded images, and that of the Hugging Face Hub, where `image` has the fields
`bytes` and `path`. The name of a row is its value in the column `id`, if there is one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet

from sync.errors.images import ImageError
from sync.importing.inputs.item import InputError

__all__ = ["Rows", "count_rows", "read_names", "read_rows"]

ROWS_AT_ONCE = 64
NAMES_AT_ONCE = 1024
BUFFER_BYTES = 2**20
"""Read buffer of a column, bytes; without it, pyarrow reads a whole row group, which may have gigabytes."""
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


def read_rows(
    file: Path, first: int, count: int, *, name: str, fingerprint: str | None = None
) -> Iterator[tuple[str, bytes | ImageError]]:
    """Yield the names and bytes of `count` rows from `first` on; for rows after damage in a row group, yield an error.

    The name of a row without one is the file's `name` and the number of the row. Rows before `first` in the same row group are
    read and discarded, so row groups of a few thousand rows are best.

    Raises
    ------
    InputError
        If the file cannot be read, has another `fingerprint`, or has too few rows.
    """
    end = first + count
    count_read = 0
    try:
        with _open(file) as (parquet_file, current):
            if fingerprint not in (None, current):
                raise InputError(f"{file} has changed since its rows were counted: restore it, or start again")
            columns = [name for name in ("id", "image") if name in parquet_file.schema_arrow.names]
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
    """Yield the names of `count` rows from `first` on, as `read_rows` does, without reading their images.

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
) -> Iterator[tuple[str, bytes | ImageError]]:
    """Yield the rows in `rows` of a row group, whose first row is row `start` of the file."""
    if not rows:
        return
    number = rows.start
    try:
        for batch in parquet_file.iter_batches(ROWS_AT_ONCE, row_groups=[group], columns=columns):
            begin, start = start, start + batch.num_rows
            for row in batch.slice(max(number - begin, 0), max(min(rows.stop, start) - number, 0)).to_pylist():
                yield _name_of_row(row, file, number), _content(row["image"])
                number += 1
            if number == rows.stop:
                return
    except (pa.ArrowException, OSError) as error:
        reason = ImageError(f"the Parquet file is damaged here: {_first_line(error)}")
        for row_number in range(number, rows.stop):
            yield f"{file}#{row_number}", reason


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

"""Images in the rows of a Parquet file as a source: how many there are, and the bytes and name of each.

Two layouts are read: a column `image` of encoded images, and that of the Hugging Face Hub, where `image` holds `bytes` and
`path`. A row is called by its column `id` where there is one.
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

__all__ = ["Rows", "look_at_rows", "read_rows"]

ROWS_AT_ONCE = 64
BUFFER_BYTES = 2**20
"""So much of a column is read ahead; without a buffer a whole row group is, which may be gigabytes."""
TAIL_BYTES = 8
"""Of every Parquet file: the length of its footer, and `PAR1`."""


@dataclass(frozen=True, slots=True)
class Rows:
    """What a Parquet file holds.

    Attributes
    ----------
    count : int
    fingerprint : str
        Of its footer, which says where every column of every row group lies, how long it is, and its smallest and largest
        value. A copy on another machine has the same, whatever its time of writing.
    """

    count: int
    fingerprint: str


def look_at_rows(file: Path) -> Rows:
    """Count the rows of a Parquet file with images, and name what it holds, by its footer.

    Raises
    ------
    InputError
        If it cannot be read, or has no column of images.
    """
    try:
        with _opened(file) as (opened, fingerprint):
            names = opened.schema_arrow.names
            if "image" not in names:
                raise InputError(f"{file} has no column `image` with encoded images, only {', '.join(names)}")
            kind = opened.schema_arrow.field("image").type
            if not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or _holds_bytes(kind)):
                raise InputError(f"the column `image` of {file} holds {kind}, not the bytes of encoded images")
            return Rows(int(opened.metadata.num_rows), fingerprint)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{file} cannot be read as Parquet: {_first_line(error)}") from error


def read_rows(
    file: Path, first: int, count: int, *, name: str, fingerprint: str | None = None
) -> Iterator[tuple[str, bytes | ImageError]]:
    """Give name and bytes of `count` rows from `first` on; an error for each row of a row group from where it is damaged on.

    A row without a name of its own is called by the file's `name` and its number.
    Whatever lies before `first` in its row group is read and passed over: row groups of some thousand rows suit best.

    Raises
    ------
    InputError
        If the file cannot be read, has not the `fingerprint`, or ends before so many rows.
    """
    end = first + count
    given = 0
    try:
        with _opened(file) as (opened, found):
            if fingerprint not in (None, found):
                raise InputError(f"{file} has changed since its rows were counted: put it back, or begin anew")
            columns = [name for name in ("id", "image") if name in opened.schema_arrow.names]
            start = 0
            for group in range(opened.metadata.num_row_groups):
                rows = range(max(first, start), min(end, start + opened.metadata.row_group(group).num_rows))
                for one in _rows_of_group(opened, group, columns, file=name, start=start, wanted=rows):
                    yield one
                    given += 1
                start += opened.metadata.row_group(group).num_rows
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{file} cannot be read as Parquet any more: {_first_line(error)}") from error
    if given < count:
        raise InputError(f"{file} has only {given} of the rows {first} to {end - 1}: put it back as it was, or begin anew")


@contextmanager
def _opened(file: Path) -> Iterator[tuple[parquet.ParquetFile, str]]:
    """Open a file, and hash its footer; what is read afterwards is of the same file, though another takes its name."""
    with pa.OSFile(str(file)) as raw:
        size = raw.size()
        raw.seek(max(size - TAIL_BYTES, 0))
        footer = min(int.from_bytes(raw.read(4), "little"), size)
        raw.seek(max(size - TAIL_BYTES - footer, 0))
        fingerprint = hashlib.sha256(size.to_bytes(8, "big") + raw.read(footer)).hexdigest()[:16]
        with parquet.ParquetFile(raw, buffer_size=BUFFER_BYTES) as opened:
            yield opened, fingerprint


def _rows_of_group(
    opened: parquet.ParquetFile, group: int, columns: list[str], *, file: str, start: int, wanted: range
) -> Iterator[tuple[str, bytes | ImageError]]:
    """The wanted rows of a row group, whose first row is row `start` of the file."""
    if not wanted:
        return
    coming = wanted.start
    try:
        for batch in opened.iter_batches(ROWS_AT_ONCE, row_groups=[group], columns=columns):
            begin, start = start, start + batch.num_rows
            for row in batch.slice(max(coming - begin, 0), max(min(wanted.stop, start) - coming, 0)).to_pylist():
                yield _named(row, file, coming), _content(row["image"])
                coming += 1
            if coming == wanted.stop:
                return
    except (pa.ArrowException, OSError) as error:
        reason = ImageError(f"the Parquet file is damaged here: {_first_line(error)}")
        for number in range(coming, wanted.stop):
            yield f"{file}#{number}", reason


def _holds_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_struct(kind)) and kind.get_field_index("bytes") >= 0


def _named(row: dict[str, object], file: str, number: int) -> str:
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

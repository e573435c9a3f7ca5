"""Images in the rows of a Parquet file as a source: how many there are, and the bytes and name of each.

Two layouts are read: a column `image` of encoded images, and that of the Hugging Face Hub, where `image` holds `bytes` and
`path`. A row is called by its column `id` where there is one.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet

from sync.images.errors import ImageError
from sync.sources.item import SourceError

__all__ = ["count_rows", "read_rows"]

ROWS_AT_ONCE = 64
BUFFER_BYTES = 2**20
"""So much of a column is read ahead; without a buffer a whole row group is, which may be gigabytes."""


def count_rows(file: Path) -> int:
    """Count the rows of a Parquet file with images, by its footer.

    Raises
    ------
    SourceError
        If it cannot be read, or has no column of images.
    """
    try:
        with parquet.ParquetFile(file) as opened:
            names = opened.schema_arrow.names
            if "image" not in names:
                raise SourceError(f"{file} has no column `image` with encoded images, only {', '.join(names)}")
            kind = opened.schema_arrow.field("image").type
            if not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or _holds_bytes(kind)):
                raise SourceError(f"the column `image` of {file} holds {kind}, not the bytes of encoded images")
            return int(opened.metadata.num_rows)
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"{file} cannot be read as Parquet: {_first_line(error)}") from error


def read_rows(file: Path, first: int, count: int, *, name: str) -> Iterator[tuple[str, bytes | ImageError]]:
    """Give name and bytes of `count` rows from `first` on; an error for each row of a row group from where it is damaged on.

    A row without a name of its own is called by the file's `name` and its number.
    Whatever lies before `first` in its row group is read and passed over: row groups of some thousand rows suit best.
    """
    end = first + count
    try:
        with parquet.ParquetFile(file, buffer_size=BUFFER_BYTES) as opened:
            columns = [name for name in ("id", "image") if name in opened.schema_arrow.names]
            start = 0
            for group in range(opened.metadata.num_row_groups):
                rows = range(max(first, start), min(end, start + opened.metadata.row_group(group).num_rows))
                yield from _rows_of_group(opened, group, columns, file=name, start=start, wanted=rows)
                start += opened.metadata.row_group(group).num_rows
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"{file} cannot be read as Parquet any more: {_first_line(error)}") from error


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

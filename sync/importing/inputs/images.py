"""The images that a command was given: files, objects of a bucket and rows of Parquet files, each read when it is needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path, PurePosixPath

from sync.importing.inputs.collection import Span
from sync.importing.inputs.files import read_file
from sync.importing.inputs.item import Item
from sync.importing.s3_client import SCHEME, S3Client

__all__ = ["InputImages"]


class InputImages:
    """Images in the order of their spans, as items with a name and a function that reads them.

    The name of a file is its path, that of an object its address, and that of a row its `id`, the path that the row states, or
    `FILE#ROW`.

    Parameters
    ----------
    spans : sequence of Span
    max_bytes : int
        Largest image, bytes.
    """

    def __init__(self, spans: Sequence[Span], *, max_bytes: int) -> None:
        self.spans = spans
        self._max_bytes = max_bytes

    def __len__(self) -> int:
        return sum(span.count for span in self.spans)

    def __iter__(self) -> Iterator[Item]:
        for span in self.spans:
            if span.first is not None:
                yield from self._rows(span, span.first)
            elif span.source.startswith(SCHEME):
                read = partial(self._s3.read, span.source, max_bytes=self._max_bytes)
                yield Item(span.source, read, PurePosixPath(span.source).name)
            else:
                file = Path(span.source)
                yield Item(span.source, partial(read_file, file, self._max_bytes), file.name)

    def galaxies(self) -> Iterator[Item]:
        """Yield the images as iteration does; rows of Parquet files have their columns and spectra, and are in memory.

        Raises
        ------
        InputError
            If a Parquet file cannot be read, or has changed.
        """
        from sync.importing.inputs.table_rows import read_galaxies

        for span in self.spans:
            if span.first is None:
                yield from InputImages([span], max_bytes=self._max_bytes)
                continue
            file = Path(span.source)
            for row in read_galaxies(file, span.first, span.count, name=span.source, fingerprint=span.fingerprint):
                yield row.as_item()

    def limit(self, count: int | None) -> InputImages:
        """Return the first `count` images; all if it is None."""
        if count is None:
            return self
        spans, left = [], count
        for span in self.spans:
            if left <= 0:
                break
            spans.append(span if span.count <= left else replace(span, count=left))
            left -= span.count
        return InputImages(spans, max_bytes=self._max_bytes)

    @cached_property
    def _s3(self) -> S3Client:
        return S3Client()

    def _rows(self, span: Span, first: int) -> Iterator[Item]:
        from sync.importing.inputs.row_reader import RowReader
        from sync.importing.inputs.table_rows import read_names

        file = Path(span.source)
        end = first + span.count
        rows = RowReader(file, end, fingerprint=span.fingerprint)
        for row, name in enumerate(read_names(file, first, span.count), first):
            yield Item(name, partial(rows.read, row), PurePosixPath(name).name)

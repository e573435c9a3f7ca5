"""Embeddings in a temporary file: a process that ranks 100,000 tasks does not keep 256 MB of them in memory."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Protocol, Self, cast

import numpy as np
from numpy.typing import NDArray

__all__ = ["EmbeddingRows", "RowFile"]

HALF = np.float16
LARGEST = float(np.finfo(HALF).max)


class EmbeddingRows(Protocol):
    """Embeddings that are read in parts: an array, or a `RowFile`."""

    def __len__(self) -> int:
        """Return the number of rows."""
        ...

    def __getitem__(self, rows: slice | NDArray[np.intp], /) -> NDArray[np.floating]:
        """Return some rows, shape (m, d)."""
        ...


class RowFile:
    """Rows of numbers in half precision, in a file without a name that is deleted with this object.

    Parameters
    ----------
    dimension : int
        Numbers in a row.
    folder : Path or None
        Folder of the file; None for the system's folder of temporary files, which may itself be in memory.
    """

    def __init__(self, dimension: int, *, folder: Path | None = None) -> None:
        self.dimension = dimension
        self._count = 0
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  (open as long as this object)

    @classmethod
    def of(cls, rows: NDArray[np.floating]) -> Self:
        """Return a file with the rows of an array of shape (n, d)."""
        file = cls(rows.shape[1])
        file.append(rows)
        return file

    def __len__(self) -> int:
        return self._count

    def append(self, rows: NDArray[np.floating]) -> None:
        """Add rows, shape (m, d), at the end; numbers beyond the range of half precision become its largest ones."""
        self._file.write(np.clip(rows, -LARGEST, LARGEST).astype(HALF).tobytes())
        self._file.flush()
        self._count += len(rows)

    def __getitem__(self, rows: slice | NDArray[np.intp], /) -> NDArray[np.floating]:
        if isinstance(rows, slice):
            start, stop, step = rows.indices(self._count)
            if step == 1:
                return self._read(start, max(stop - start, 0))
            rows = np.arange(start, stop, step)
        parts = np.empty((len(rows), self.dimension), HALF)
        for place, row in enumerate(cast(list[int], rows.tolist())):
            parts[place] = self._read(row, 1)
        return parts

    def _read(self, start: int, count: int) -> NDArray[np.floating]:
        row_bytes = self.dimension * HALF().itemsize
        content = os.pread(self._file.fileno(), count * row_bytes, start * row_bytes)
        return np.frombuffer(content, HALF).reshape(count, self.dimension)

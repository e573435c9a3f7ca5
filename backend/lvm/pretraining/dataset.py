"""The data set of a pre-training: galaxies from Parquet files, folders, buckets or single images, cropped and in memory.

A file or row that cannot be read is left out and listed with its reason; the others are used.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import torch
from numpy.typing import NDArray
from torch import Tensor

from backend.lvm.cropping import frame
from sync.errors.images import ImageError
from sync.files.find import find_files
from sync.images.decode import decode
from sync.importing.inputs.collection import SUFFIXES, Collection, is_parquet
from sync.importing.inputs.files import read_file
from sync.importing.inputs.item import InputError
from sync.importing.s3_client import SCHEME

__all__ = ["DatasetError", "PretrainDataset", "read_dataset"]

ROWS_AT_ONCE = 256
MAX_BYTES = 64 * 2**20
"""Largest image file, bytes."""


class DatasetError(ValueError):
    """Data that no model can be trained on; the message gives the reason in one sentence."""


class _NoImageColumnError(DatasetError):
    """A Parquet file that has other data than images."""


@dataclass(frozen=True, slots=True, eq=False)
class PretrainDataset:
    """Galaxies in memory.

    Attributes
    ----------
    frames : Tensor, shape (n, 3, side, side), uint8
        Galaxies in the middle of their frames.
    ids : tuple of str, length n
    answers : tuple of str
        Names `question/answer` of the votes, empty where there are none.
    votes : Tensor, shape (n, len(answers))
        Share of all volunteers who gave each answer; rows of zeros have no votes.
    unreadable : tuple of str
        Files and rows that were left out, each with its reason.
    """

    frames: Tensor
    ids: tuple[str, ...]
    answers: tuple[str, ...]
    votes: Tensor
    unreadable: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Row:
    id: str
    content: bytes | ImageError
    votes: dict[str, float]


def read_dataset(
    paths: Sequence[str | Path],
    *,
    side: int,
    margin: float = 1.0,
    limit: int | None = None,
    max_bytes: int = MAX_BYTES,
) -> PretrainDataset:
    """Read files, folders and buckets into one data set.

    Parameters
    ----------
    paths : sequence of str or Path
        Parquet files with a column `image` of encoded images, optionally `id` and columns `question/answer` with votes; folders
        with images of any kind and such Parquet files; single images (FITS, PNG, JPEG, TIFF); `s3://bucket/prefix`, or a
        pattern of objects.
    side : int
        Side of a frame, pixels.
    margin : float
        Width of a frame in widths of the product's crop (`backend.lvm.cropping.frame`).
    limit : int, optional
        Number of images that are taken; all by default.
    max_bytes : int
        Largest image file, bytes.

    Raises
    ------
    DatasetError
        If a path does not exist, a bucket does not respond, or no image at all can be read.
    """
    frames: list[NDArray[np.uint8]] = []
    blocks: list[Tensor] = []
    ids: list[str] = []
    votes: list[dict[str, float]] = []
    unreadable: list[str] = []
    for row in islice(chain.from_iterable(_rows(str(path), max_bytes) for path in paths), limit):
        try:
            crop = frame(decode(_content_of(row)), side=side, margin=margin)
        except ImageError as error:
            unreadable.append(f"{row.id}: {error}")
            continue
        frames.append(np.clip(crop * 255 + 0.5, 0, 255).astype(np.uint8))
        if len(frames) == ROWS_AT_ONCE:
            blocks.append(_stack(frames))
            frames.clear()
        ids.append(row.id)
        votes.append(row.votes)
    if not ids:
        reason = f"; the first: {unreadable[0]}" if unreadable else ""
        raise DatasetError(f"no image can be read in {', '.join(str(path) for path in paths)}{reason}")
    answers = tuple(dict.fromkeys(name for row in votes for name in row))
    table = np.array([[row.get(name, 0.0) for name in answers] for row in votes], np.float32).reshape(len(votes), len(answers))
    images = torch.cat([*blocks, _stack(frames)] if frames else blocks)
    return PretrainDataset(images, tuple(ids), answers, torch.from_numpy(table), tuple(unreadable))


def _stack(frames: list[NDArray[np.uint8]]) -> Tensor:
    """Return frames as one block, shape (n, 3, side, side); the memory of small arrays stays with the process when freed."""
    return torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2).contiguous()


def _content_of(row: _Row) -> bytes:
    if isinstance(row.content, ImageError):
        raise row.content
    return row.content


def _rows(path: str, max_bytes: int) -> Iterator[_Row]:
    if path.startswith(SCHEME):
        collection = Collection(max_bytes=max_bytes)
        try:
            yield from (_Row(name, content, {}) for name, content in collection.read(collection.find(path)))
        except InputError as error:
            raise DatasetError(str(error)) from error
    elif Path(path).is_dir():
        for file in map(str, sorted(map(Path, find_files(path, SUFFIXES)))):
            yield from _rows_of_folder(file) if is_parquet(file) else (_read_image(file, max_bytes),)
    elif is_parquet(path):
        yield from _parquet_rows(Path(path))
    elif Path(path).exists():
        yield _read_image(path, max_bytes)
    else:
        raise DatasetError(f"{path} does not exist")


def _read_image(file: str, max_bytes: int) -> _Row:
    try:
        return _Row(file, read_file(Path(file), max_bytes), {})
    except ImageError as error:
        return _Row(file, error, {})


def _rows_of_folder(file: str) -> Iterator[_Row]:
    """Yield the rows of a Parquet file in a folder; a table without images is one row that is left out."""
    try:
        yield from _parquet_rows(Path(file))
    except _NoImageColumnError as error:
        yield _Row(file, ImageError(str(error)), {})


def _parquet_rows(path: Path) -> Iterator[_Row]:
    try:
        file = parquet.ParquetFile(path)
        names = file.schema_arrow.names
        if "image" not in names:
            raise _NoImageColumnError(f"{path} has no column `image` with encoded images, only {', '.join(names)}")
        answers = [name for name in names if "/" in name]
        columns = ["image", *(["id"] if "id" in names else []), *answers]
        number = 0
        for batch in file.iter_batches(ROWS_AT_ONCE, columns=columns):
            for row in batch.to_pylist():
                votes = {name: _share(row[name], name, path) for name in answers if row[name] is not None}
                content = row["image"] if isinstance(row["image"], bytes) else b""
                yield _Row(str(row.get("id") or f"{path}, row {number}"), content, votes)
                number += 1
    except (pa.ArrowException, OSError) as error:
        raise DatasetError(f"{path} cannot be read as Parquet: {str(error).splitlines()[0]}") from error


def _share(value: object, name: str, path: Path) -> float:
    if isinstance(value, int | float) and 0 <= value <= 1:
        return float(value)
    raise DatasetError(f"the votes `{name}` in {path} must be shares between 0 and 1, not {value!r}")

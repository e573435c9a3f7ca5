"""Embeddings that another program has computed: a Parquet file of ids and vectors, matched with the images of a project.

An id is the number of a task, the reference of an image in the data of tasks, or the name of its file.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
from numpy.typing import NDArray

from sync.errors.failures import WrongCallError
from sync.label_studio.task_images import references_of
from sync.label_studio.tasks import Task
from sync.labelling.config import LabelConfig

__all__ = ["EmbeddingsError", "MatchedEmbeddings", "read_embeddings_file"]

ID, VECTOR = "id", "vector"
UPLOAD_PREFIX = re.compile(r"[0-9a-f]{8}-")
"""What Label Studio writes before the name of an uploaded file."""


class EmbeddingsError(WrongCallError, ValueError):
    """A file of embeddings cannot be used; the message is one sentence."""


@dataclass(frozen=True, slots=True, eq=False)
class MatchedEmbeddings:
    """Embeddings of the images of a project.

    Attributes
    ----------
    references : list of str, length n
        References of the images.
    vectors : ndarray, shape (n, d)
    missing : int
        Number of images of the project that have no vector.
    """

    references: list[str]
    vectors: NDArray[np.float32]
    missing: int


def read_embeddings_file(file: Path, tasks: Sequence[Task], config: LabelConfig) -> MatchedEmbeddings:
    """Read a Parquet file with the columns `id` and `vector`, and match its ids with the images of a project.

    Parameters
    ----------
    file : Path
    tasks : sequence of Task
        All tasks of the project.
    config : LabelConfig

    Raises
    ------
    EmbeddingsError
        If the file cannot be read, its vectors differ in length or are not finite, an id is there twice or is the file name of
        several images, or no id matches.
    """
    ids, vectors = _read(file)
    rows = {identity: row for row, identity in enumerate(ids)}
    if len(rows) < len(ids):
        twice = next(identity for row, identity in enumerate(ids) if rows[identity] != row)
        raise EmbeddingsError(f"the embeddings in {file} have the id {twice!r} twice")
    row_by_reference: dict[str, int] = {}
    reference_by_name: dict[str, str] = {}
    references: dict[str, None] = {}
    for task in tasks:
        images = [reference for name in config.image_key for reference in references_of(task.data, config, name) if reference]
        references |= dict.fromkeys(images)
        for reference in images:
            file_name = _file_name(reference)
            names: list[Any] = [reference, file_name, *([task.id, str(task.id)] if len(images) == 1 else [])]
            name = next((name for name in names if name in rows), None)
            if name is not None:
                row_by_reference[reference] = rows[name]
            if name == file_name and reference_by_name.setdefault(file_name, reference) != reference:
                raise EmbeddingsError(
                    f"the id {name!r} in {file} is the file name of several images, such as {reference_by_name[file_name]} and "
                    f"{reference}: write their references as ids"
                )
    if not row_by_reference:
        raise EmbeddingsError(
            f"no id in {file} matches an image of the project, such as {ids[0]!r}: an id is the number of a task, the "
            "reference of its image, or the name of the image's file"
        )
    return MatchedEmbeddings(
        list(row_by_reference), vectors[list(row_by_reference.values())], len(references) - len(row_by_reference)
    )


def _read(file: Path) -> tuple[list[Any], NDArray[np.float32]]:
    """Return ids and vectors, shape (n, d)."""
    import pyarrow as pa  # of the extra `survey`
    from pyarrow import parquet

    try:
        table = parquet.read_table(file, columns=[ID, VECTOR])
    except FileNotFoundError as error:
        raise EmbeddingsError(f"the embeddings {file} cannot be read: there is no such file") from error
    except (OSError, pa.ArrowException) as error:
        detail = " ".join(str(error).split())[:200]
        raise EmbeddingsError(
            f"the embeddings {file} cannot be read as Parquet with the columns {ID} and {VECTOR}: {detail}"
        ) from error
    if set(table.column_names) != {ID, VECTOR}:
        names = ", ".join(table.column_names)
        raise EmbeddingsError(f"the embeddings in {file} need the columns {ID} and {VECTOR}, not {names}")
    ids, rows = table.column(ID).to_pylist(), table.column(VECTOR).to_pylist()
    if not rows:
        raise EmbeddingsError(f"the embeddings in {file} are empty")
    if not all(isinstance(row, list) and row for row in rows):
        raise EmbeddingsError(f"the column {VECTOR} in {file} must hold a list of numbers in each row")
    lengths = {len(row) for row in rows}
    if len(lengths) > 1:
        raise EmbeddingsError(f"the vectors in {file} differ in length, from {min(lengths)} to {max(lengths)} numbers")
    try:
        with np.errstate(over="ignore"):  # a number beyond 32 bits is not finite
            vectors = np.array(rows, np.float32)
    except (TypeError, ValueError) as error:
        raise EmbeddingsError(f"the column {VECTOR} in {file} must hold a list of numbers in each row") from error
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        raise EmbeddingsError(f"the vector of {ids[int(finite.argmin())]!r} in {file} has values that are not finite")
    return ids, vectors


def _file_name(reference: str) -> str:
    """Return the name of an image's file as it was before Label Studio stored it."""
    parts = urlsplit(reference)
    name = PurePosixPath(unquote(parts.query.removeprefix("d=") if parts.query.startswith("d=") else parts.path)).name
    return UPLOAD_PREFIX.sub("", name, count=1) if parts.path.startswith("/data/upload/") else name

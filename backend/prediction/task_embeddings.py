"""Embeddings of tasks, from the cache only: no image is opened to rank a queue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.active.row_file import EmbeddingRows, RowFile
from backend.prediction.control_models import ClassModel, ControlModel
from backend.prediction.live import LivePredictors
from sync.controls.control import Control
from sync.label_studio.task_images import images_of_control, reference_of_image
from sync.labelling.config import LabelConfig

__all__ = ["TaskEmbeddings", "join_embeddings", "ranked_model", "read_task_embeddings"]

CHUNK = 1_000
"""Embeddings that are written to a file, or copied, at once."""


@dataclass(frozen=True, slots=True, eq=False)
class TaskEmbeddings:
    """Embeddings of some tasks.

    Attributes
    ----------
    tasks : ndarray of int, shape (n,)
        Ids.
    rows : EmbeddingRows, shape (n, d)
        An array or a file; 100,000 tasks take 256 MB.
    data : tuple of mapping, length n
        The tasks' data, from which the feature blocks are read when they are needed; empty if they are not.
    """

    tasks: NDArray[np.int64]
    rows: EmbeddingRows
    data: tuple[Mapping[str, Any], ...] = ()


def ranked_model(models: Sequence[ControlModel]) -> ControlModel | None:
    """Choose the control model that ranks tasks: that of the first classes, else the first one; None without a model."""
    return next((model for model in models if isinstance(model, ClassModel)), models[0] if models else None)


def read_task_embeddings(
    predictors: LivePredictors,
    data: Mapping[int, Mapping[str, Any]],
    config: LabelConfig,
    control: Control,
    *,
    folder: Path | None = None,
) -> TaskEmbeddings:
    """Read the cached embeddings of the tasks' images on which a control is predicted, the mean where a task has several.

    They are copied to a temporary file, because 100,000 of them are too large for the worker's memory.

    Parameters
    ----------
    predictors : LivePredictors
    data : mapping
        Task id to the task's data.
    config : LabelConfig
    control : Control
    folder : Path or None
        Folder of the temporary file.

    Returns
    -------
    TaskEmbeddings
        Tasks without a cached embedding are left out.
    """
    rows = RowFile(predictors.extractor.dimension, folder=folder)
    tasks: list[int] = []
    chunk: list[NDArray[np.float32]] = []
    for task, fields in data.items():
        references = [reference_of_image(fields, config, image) for image in images_of_control(fields, config, control)]
        embeddings = [predictors.cached_embedding(reference) for reference in references if reference]
        vectors = [embedding for embedding in embeddings if embedding is not None]
        if vectors:
            chunk.append(np.mean(vectors, axis=0))
            tasks.append(task)
        if len(chunk) == CHUNK:
            rows.append(np.stack(chunk))
            chunk.clear()
    if chunk:
        rows.append(np.stack(chunk))
    return TaskEmbeddings(np.asarray(tasks, np.int64), rows, tuple(data[task] for task in tasks))


def join_embeddings(first: TaskEmbeddings, second: TaskEmbeddings, *, folder: Path | None = None) -> TaskEmbeddings:
    """Return the embeddings of the tasks of both, in order; `folder` is that of the temporary file."""
    if not len(second.tasks):
        return first
    rows = RowFile(second.rows[:0].shape[1], folder=folder)
    for part in (first.rows, second.rows):
        for start in range(0, len(part), CHUNK):
            rows.append(part[start : start + CHUNK])
    return TaskEmbeddings(np.concatenate([first.tasks, second.tasks]), rows, first.data + second.data)

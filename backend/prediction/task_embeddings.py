"""Embeddings of tasks, from the cache only: no image is opened to rank a queue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.prediction.control_models import ClassModel, ControlModel
from backend.prediction.live import LivePredictors
from sync.controls.control import Control
from sync.label_studio.task_images import images_of_control, reference_of_image
from sync.labelling.config import LabelConfig

__all__ = ["TaskEmbeddings", "join_embeddings", "ranked_model", "read_task_embeddings"]

HALF = float(np.finfo(np.float16).max)


@dataclass(frozen=True, slots=True, eq=False)
class TaskEmbeddings:
    """Embeddings of some tasks.

    Attributes
    ----------
    tasks : ndarray of int, shape (n,)
        Ids.
    rows : ndarray of float16, shape (n, d)
        Half the memory of what the encoder returns; 100,000 tasks take 256 MB.
    data : tuple of mapping, length n
        The tasks' data, from which the feature blocks are read when they are needed; empty if they are not.
    """

    tasks: NDArray[np.int64]
    rows: NDArray[np.float16]
    data: tuple[Mapping[str, Any], ...] = ()


def ranked_model(models: Sequence[ControlModel]) -> ControlModel | None:
    """Choose the control model that ranks tasks: that of the first classes, else the first one; None without a model."""
    return next((model for model in models if isinstance(model, ClassModel)), models[0] if models else None)


def read_task_embeddings(
    predictors: LivePredictors, data: Mapping[int, Mapping[str, Any]], config: LabelConfig, control: Control
) -> TaskEmbeddings:
    """Read the cached embeddings of the tasks' images on which a control is predicted, the mean where a task has several.

    Parameters
    ----------
    predictors : LivePredictors
    data : mapping
        Task id to the task's data.
    config : LabelConfig
    control : Control

    Returns
    -------
    TaskEmbeddings
        Tasks without a cached embedding are left out.
    """
    rows = np.empty((len(data), predictors.extractor.dimension), np.float16)
    tasks: list[int] = []
    for task, fields in data.items():
        references = [reference_of_image(fields, config, image) for image in images_of_control(fields, config, control)]
        embeddings = [predictors.cached_embedding(reference) for reference in references if reference]
        vectors = [embedding for embedding in embeddings if embedding is not None]
        if vectors:
            rows[len(tasks)] = np.clip(np.mean(vectors, axis=0), -HALF, HALF)
            tasks.append(task)
    return TaskEmbeddings(np.asarray(tasks, np.int64), rows[: len(tasks)], tuple(data[task] for task in tasks))


def join_embeddings(first: TaskEmbeddings, second: TaskEmbeddings) -> TaskEmbeddings:
    """Return the embeddings of the tasks of both, in order."""
    tasks, rows = np.concatenate([first.tasks, second.tasks]), np.concatenate([first.rows, second.rows])
    return TaskEmbeddings(tasks, rows, first.data + second.data)

"""The pool of a project: the open tasks as the query strategies take them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from backend.active.pool import Pool, reduce_embeddings
from backend.heads.inputs import HeadInputs
from backend.prediction.control_models import ClassModel, ControlModel
from backend.prediction.task_blocks import TaskBlocks
from backend.prediction.task_embeddings import TaskEmbeddings

__all__ = ["build_pool", "rarity_of_classes"]

CHUNK = 2_000


def build_pool(
    model: ControlModel,
    candidates: TaskEmbeddings,
    labelled_tasks: TaskEmbeddings,
    *,
    scores: Mapping[int, float],
    rarity: NDArray[np.float32] | None = None,
    blocks: TaskBlocks | None = None,
) -> Pool:
    """Build the pool of a project.

    Parameters
    ----------
    model : ControlModel
        From `ranked_model`.
    candidates : TaskEmbeddings
        Of the open tasks.
    labelled_tasks : TaskEmbeddings
        Of the tasks that versions are trained on.
    scores : mapping
        Task id to the own score of its prediction; the information of tasks is one minus it, unless `model` predicts classes.
    rarity : ndarray, shape (k,), optional
        Weight of each class; a task's information is multiplied by that of its most probable class.
    blocks : TaskBlocks, optional
        Reads the feature blocks of tasks that `model` predicts from; by default the columns of their data.
    """
    features, labelled_rows = reduce_embeddings(candidates.rows, labelled_tasks.rows, columns=model.own_columns)
    if not isinstance(model, ClassModel):
        return Pool(features, labelled_rows, np.zeros((len(features), 0), np.float32), _information_of(candidates, scores))
    if not model.is_trained:  # the shipped head's margin says nothing of what a label would teach
        return Pool(features, labelled_rows, np.zeros((len(features), 0), np.float32), np.zeros(len(features), np.float32))
    reader = blocks or TaskBlocks()

    def inputs_of(embeddings: NDArray[np.floating], tasks: NDArray[np.intp]) -> HeadInputs:
        single = embeddings.astype(np.float32)
        if not (model.needs_blocks and candidates.data):
            return HeadInputs.of_images(single)
        data = [candidates.data[task] for task in tasks.tolist()]
        return HeadInputs(single, tuple(reader.read(fields, only=model.needs_blocks) for fields in data))

    probabilities = np.empty((len(features), len(model.control.labels)), np.float32)
    information = np.empty(len(features), np.float32)
    for start in range(0, len(features), CHUNK):
        rows = np.arange(start, min(start + CHUNK, len(features)))
        inputs = inputs_of(candidates.rows[rows], rows)
        probabilities[rows] = row_probabilities = model.probabilities(inputs)
        information[rows] = 1 - model.acquisition_confidence(inputs, row_probabilities)
    if rarity is not None:
        information *= rarity[probabilities.argmax(axis=1)]
    return Pool(
        features,
        labelled_rows,
        probabilities,
        information,
        candidates.rows,
        lambda embeddings, tasks: np.asarray(model.probabilities(inputs_of(embeddings, tasks)), np.float32),
    )


def rarity_of_classes(counts: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the weight of each class: the mean number of labels of a class, divided by its own number plus one.

    Parameters
    ----------
    counts : ndarray, shape (k,)
        Number of labels of each class.
    """
    return np.asarray((counts.mean() + 1) / (counts + 1), np.float32)


def _information_of(candidates: TaskEmbeddings, scores: Mapping[int, float]) -> NDArray[np.float32]:
    """Return one minus the score of each task, shape (n,); a task without a known score gets the mean of the others."""
    information = np.array([1 - scores.get(int(task), np.nan) for task in candidates.tasks], np.float32)
    is_finite = ~np.isnan(information)
    information[~is_finite] = information[is_finite].mean() if is_finite.any() else 1.0
    return information

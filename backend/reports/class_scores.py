"""Scores of predicted classes that people know: accuracy, AUC of one class against the rest, and the confusion matrix.

Each score is computed for several rows of weights of the images at once, for the bootstrap.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from backend.reports.resampling import Score

__all__ = ["accuracy", "class_auc", "count_confusions", "macro_auc"]

Floats = NDArray[np.float64]


def accuracy(correct: NDArray[np.bool_]) -> Score:
    """Return the score that computes the share of images with the right class.

    Parameters
    ----------
    correct : ndarray of bool, shape (n,)
    """
    return lambda weights: _ratio(weights @ correct, weights.sum(axis=1))


def class_auc(scores: Floats, positive: NDArray[np.bool_]) -> Score:
    """Return the score that computes the area under the ROC curve.

    It is the probability that an image of the class has a higher score than another image; ties count one half (Hanley & McNeil
    1982, Radiology 143, 29).

    Parameters
    ----------
    scores : ndarray, shape (n,)
        Predicted probability of the class.
    positive : ndarray of bool, shape (n,)
        Whether the annotators chose the class.
    """
    return partial(_auc, scores, positive)


def macro_auc(probabilities: Floats, targets: NDArray[np.bool_]) -> Score:
    """Return the score that computes the mean of `class_auc` over the classes with images both inside and outside of the class.

    Parameters
    ----------
    probabilities, targets : ndarray, shape (n, k)
    """
    columns_used = [column for column in range(targets.shape[1]) if 0 < targets[:, column].sum() < len(targets)]

    def compute(weights: Floats) -> Floats:
        if not columns_used:
            return np.full(len(weights), np.nan)
        # A resample without a class has no AUC: the mean over other classes would be another score.
        aucs = [_auc(probabilities[:, column], targets[:, column], weights) for column in columns_used]
        return np.asarray(np.mean(aucs, axis=0), np.float64)

    return compute


def count_confusions(true_classes: NDArray[np.intp], predicted_classes: NDArray[np.intp], *, classes: int) -> list[list[int]]:
    """Count images by true class (rows) and predicted class (columns).

    Parameters
    ----------
    true_classes, predicted_classes : ndarray of int, shape (n,)
        Indices of classes.
    classes : int
        Number of classes.
    """
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (true_classes, predicted_classes), 1)
    return [[int(count) for count in row] for row in counts]


def _auc(scores: Floats, positive: NDArray[np.bool_], weights: Floats) -> Floats:
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.diff(scores[order], prepend=-np.inf))  # the first image of each group of equal scores
    if not len(order):
        return np.full(len(weights), np.nan)
    inside = np.add.reduceat((weights * positive)[:, order], starts, axis=1)
    outside = np.add.reduceat((weights * ~positive)[:, order], starts, axis=1)
    below = np.cumsum(outside, axis=1) - outside / 2
    return _ratio((inside * below).sum(axis=1), inside.sum(axis=1) * outside.sum(axis=1))


def _ratio(above: Floats, below: Floats) -> Floats:
    return np.asarray(np.divide(above, below, out=np.full(len(below), np.nan), where=below > 0), np.float64)

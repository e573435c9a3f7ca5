"""Probes of frozen embeddings for questions that an encoder was not trained on: few labels, and paired intervals.

A head is fitted to a few galaxies of the train part, drawn at random, and scores the galaxies that no training contained. The
difference of two encoders has an interval over the scored galaxies, with the same draws of labels for both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.heads.classification.morphology import Morphology
from backend.heads.regression.ridge import fit_ridge

__all__ = ["Interval", "Question", "compare", "probe"]

DRAWS = 20
RESAMPLES = 2000
CLASSES = ("no", "yes")

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """A question and the galaxies that answer it.

    Attributes
    ----------
    name : str
    truth : ndarray, shape (n,)
        0 or 1; any numbers if `is_numeric`.
    is_train : ndarray of bool, shape (n,)
        Galaxies of the train part, whose labels are drawn; the others are scored.
    is_numeric : bool
        Whether the probe is a regression, with the score R², and not a classification with the area under the ROC curve.
    """

    name: str
    truth: Floats
    is_train: NDArray[np.bool_]
    is_numeric: bool = False


@dataclass(frozen=True, slots=True)
class Interval:
    """A difference of two scores with its 95 % interval over the scored galaxies."""

    difference: float
    low: float
    high: float


def probe(question: Question, embeddings: NDArray[np.float32], *, labels: int) -> Floats:
    """Fit a head to `labels` galaxies in each of `DRAWS` draws, and predict the scored galaxies.

    Parameters
    ----------
    question : Question
    embeddings : ndarray, shape (n, d)
    labels : int
        At most the number of galaxies of the train part.

    Returns
    -------
    ndarray, shape (DRAWS, number of scored galaxies)
        Probability of "yes", or the predicted number.
    """
    rows = np.flatnonzero(question.is_train)
    others = embeddings[~question.is_train]
    predictions = []
    for seed in range(DRAWS):
        order = np.random.default_rng(seed).permutation(rows)
        if question.is_numeric:
            predictions.append(fit_ridge(embeddings[order[:labels]], question.truth[order[:labels]])[0].predict(others)[0])
            continue
        # A head needs a galaxy of each class.
        firsts = [order[question.truth[order] == value][0] for value in (0, 1)]
        labelled_rows = np.array(list(dict.fromkeys([*firsts, *order]))[:labels])
        targets = np.stack([1 - question.truth[labelled_rows], question.truth[labelled_rows]], axis=1)
        head = Morphology.fit(embeddings[labelled_rows], targets, classes=CLASSES, exclusive=True)
        predictions.append(head.predict(others)[:, 1].astype(float))
    return np.asarray(predictions, float)


def compare(question: Question, first: Floats, second: Floats) -> Interval:
    """Return the score of the first predictions less that of the second, with an interval over the scored galaxies."""
    generator, truth = np.random.default_rng(0), question.truth[~question.is_train]
    difference = _squared_error_gain if question.is_numeric else _area_gain
    weighted_gain = difference(truth, first, second)
    gains = []
    for _ in range(RESAMPLES):
        weight = np.bincount(generator.integers(len(truth), size=len(truth)), minlength=len(truth)).astype(float)
        if question.is_numeric or 0 < (weight * truth).sum() < weight.sum():
            gains.append(weighted_gain(weight))
    low, high = np.percentile(gains, [2.5, 97.5])
    return Interval(weighted_gain(np.ones(len(truth))), float(low), float(high))


def score(question: Question, predictions: Floats) -> float:
    """Return the mean score over the draws."""
    truth = question.truth[~question.is_train]
    if question.is_numeric:
        return 1 - float(((predictions - truth) ** 2).mean()) / float(truth.var())
    return float(_wins(truth, predictions).mean())


def _wins(truth: Floats, predictions: Floats) -> Floats:
    """Return how often each positive galaxy has a higher prediction than each negative one, whose mean is the area."""
    positive, negative = predictions[:, truth > 0], predictions[:, truth == 0]
    above = positive[:, :, None] > negative[:, None, :]
    return np.asarray((above + 0.5 * (positive[:, :, None] == negative[:, None, :])).mean(axis=0))


def _area_gain(truth: Floats, first: Floats, second: Floats) -> Callable[[Floats], float]:
    """Return the difference of the areas as a function of the weights of the scored galaxies."""
    gain = _wins(truth, first) - _wins(truth, second)

    def weighted_gain(weight: Floats) -> float:
        positive, negative = weight[truth > 0], weight[truth == 0]
        return float(positive @ gain @ negative / (positive.sum() * negative.sum()))

    return weighted_gain


def _squared_error_gain(truth: Floats, first: Floats, second: Floats) -> Callable[[Floats], float]:
    """Return the difference of R² as a function of the weights of the scored galaxies."""
    gain = ((second - truth) ** 2).mean(axis=0) - ((first - truth) ** 2).mean(axis=0)

    def weighted_gain(weight: Floats) -> float:
        mean = float((weight * truth).sum() / weight.sum())
        return float((weight * gain).sum() / (weight * (truth - mean) ** 2).sum())

    return weighted_gain

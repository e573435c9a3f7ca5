"""One run: a simulated annotator labels batches that a query strategy chooses, and the head is measured after each.

The annotator gives the set's label, or with a given chance another class at random. The product's morphology head is fitted
without the offset of the shipped head, which was fitted on these very labels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from backend.active.pool import Pool, reduce_embeddings
from backend.active.ranking import rank
from backend.heads.classification.morphology import Morphology
from backend.heads.errors import NotEnoughLabels
from benchmarks.label_efficiency.galaxies import CLASSES

__all__ = ["BATCH", "Galaxies", "Setting", "simulate"]

BATCH = 10

Floats = NDArray[np.float32]
Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Setting:
    """What is varied: the strategy, the share of wrong answers, the seed."""

    strategy: str
    wrong: float
    seed: int


@dataclass(frozen=True, slots=True, eq=False)
class Galaxies:
    """Embeddings, shape (n, d), and classes as indices into `CLASSES`, shape (n,), of a pool and of galaxies to measure on."""

    pool: Floats
    pool_labels: Indices
    measured: Floats
    measured_labels: Indices


def simulate(galaxies: Galaxies, setting: Setting, *, labels: int) -> list[float]:
    """Macro AUC (one class against the rest) after each batch, up to a number of labels; 0.5 while the head is not trained."""
    source = np.random.default_rng(setting.seed)
    answers = _answers(galaxies.pool_labels, wrong=setting.wrong, source=source)
    features, _ = reduce_embeddings(galaxies.pool, galaxies.pool[:0], seed=setting.seed)
    labelled = np.zeros(0, np.intp)
    head: Morphology | None = None
    scores = []
    while len(labelled) < labels:
        waiting = np.setdiff1d(np.arange(len(features)), labelled)
        pool = _pool(galaxies.pool[waiting], features[waiting], features[labelled], head)
        order = rank(pool, setting.strategy, batch=BATCH, seed=setting.seed * 10_000 + len(labelled))
        labelled = np.concatenate([labelled, waiting[order[:BATCH]]])
        head = _fit(galaxies.pool[labelled], answers[labelled])
        scores.append(_macro_auc(head, galaxies))
    return scores


def _answers(labels: Indices, *, wrong: float, source: np.random.Generator) -> Indices:
    others = (labels + source.integers(1, len(CLASSES), len(labels))) % len(CLASSES)
    return np.where(source.random(len(labels)) < wrong, others, labels)


def _fit(embeddings: Floats, labels: Indices) -> Morphology | None:
    try:
        return Morphology.fit(embeddings, np.eye(len(CLASSES))[labels], classes=CLASSES, exclusive=True)
    except NotEnoughLabels:
        return None


def _pool(embeddings: Floats, features: Floats, labelled: Floats, head: Morphology | None) -> Pool:
    if head is None:
        return Pool(
            features, labelled, np.zeros((len(features), 0), np.float32), np.zeros(len(features), np.float32), embeddings
        )
    information = head.uncertainty(embeddings).epistemic
    return Pool(features, labelled, head.predict(embeddings), information, embeddings, head.predict)


def _macro_auc(head: Morphology | None, galaxies: Galaxies) -> float:
    if head is None:
        return 0.5
    probabilities = head.predict(galaxies.measured)
    one_hot = np.eye(len(CLASSES))[galaxies.measured_labels]
    return float(np.mean([roc_auc_score(one_hot[:, index], probabilities[:, index]) for index in range(len(CLASSES))]))

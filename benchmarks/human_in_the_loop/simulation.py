"""One run: a simulated annotator labels batches that a query strategy chooses, and the head is measured after each.

The annotator gives the set's label, or with a given chance another class at random. Each seed draws its own pool from the
galaxies, because some strategies have no random step: on one pool all their runs would be equal. The product's morphology head
is fitted without the offset of the shipped head, which was fitted on some of these labels.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from backend.active.pool import Pool, reduce_embeddings
from backend.active.ranking import select_batch
from backend.heads.classification.morphology import Morphology
from backend.heads.errors import NotEnoughLabels
from benchmarks.human_in_the_loop.sets import Galaxies

__all__ = ["BATCH", "POOL_SHARE", "Run", "Setting", "simulate"]

BATCH = 10
"""Labels between two trainings, the product's default."""

POOL_SHARE = 0.8
"""Share of the galaxies to label that each seed draws as its pool."""

Floats = NDArray[np.float32]
Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Setting:
    """One run: the name of the set, the strategy, the share of wrong answers, and the seed."""

    galaxies: str
    strategy: str
    wrong: float
    seed: int


@dataclass(frozen=True, slots=True)
class Run:
    """What was measured in a run, one value for each batch.

    Attributes
    ----------
    auc : list of float
        Macro AUC (one class against the rest) of the head that was trained after the batch; 0.5 while it cannot be trained.
    accepted : list of float
        Share of the batch for which the class that the head predicted before is the annotator's answer; 0 without a head.
    """

    auc: list[float]
    accepted: list[float]


def simulate(galaxies: Galaxies, setting: Setting, *, labels: int, pool_share: float = POOL_SHARE) -> Run:
    """Label up to a number of galaxies, of a random share of the pool."""
    generator = np.random.default_rng(setting.seed)
    pool_rows = np.sort(generator.permutation(len(galaxies.pool))[: round(pool_share * len(galaxies.pool))])
    galaxies = replace(galaxies, pool=galaxies.pool[pool_rows], pool_labels=galaxies.pool_labels[pool_rows])
    answers = _answers(galaxies.pool_labels, len(galaxies.classes), wrong_share=setting.wrong, generator=generator)
    features, _ = reduce_embeddings(galaxies.pool, galaxies.pool[:0], seed=setting.seed)
    rows = np.zeros(0, np.intp)
    head: Morphology | None = None
    run = Run([], [])
    while len(rows) < min(labels, len(features)):
        open_ = np.setdiff1d(np.arange(len(features)), rows)
        pool = _pool(galaxies.pool[open_], features[open_], features[rows], head)
        seed = zlib.crc32(f"{setting.galaxies} {setting.seed} {len(rows)}".encode())
        batch = _choose_batch(pool, setting.strategy, np.random.default_rng(seed))
        run.accepted.append(_accepted_share(pool, batch, answers[open_[batch]]))
        rows = np.concatenate([rows, open_[batch]])
        head = _fit(galaxies.pool[rows], answers[rows], galaxies.classes)
        run.auc.append(_macro_auc(head, galaxies))
    return run


def _choose_batch(pool: Pool, strategy: str, generator: np.random.Generator) -> Indices:
    """Return a whole batch: where near copies make it shorter, the galaxies with the most information follow."""
    choice = select_batch(pool, strategy, BATCH, source=generator)
    rest = np.setdiff1d(np.arange(len(pool)), choice, assume_unique=True)
    others = rest[np.lexsort((generator.random(len(rest)), -pool.information[rest]))]
    return np.concatenate([choice, others])[:BATCH]


def _accepted_share(pool: Pool, batch: Indices, answers: Indices) -> float:
    return float((pool.probabilities[batch].argmax(axis=1) == answers).mean()) if pool.is_trained else 0.0


def _answers(labels: Indices, classes: int, *, wrong_share: float, generator: np.random.Generator) -> Indices:
    others = (labels + generator.integers(1, classes, len(labels))) % classes
    return np.where(generator.random(len(labels)) < wrong_share, others, labels)


def _fit(embeddings: Floats, labels: Indices, classes: tuple[str, ...]) -> Morphology | None:
    try:
        return Morphology.fit(embeddings, np.eye(len(classes))[labels], classes=classes, exclusive=True)
    except NotEnoughLabels:
        return None


def _pool(embeddings: Floats, features: Floats, rows: Floats, head: Morphology | None) -> Pool:
    if head is None:
        no_inputs = np.zeros((len(features), 0), np.float32)
        return Pool(features, rows, no_inputs, np.zeros(len(features), np.float32), embeddings)
    information = head.uncertainty(embeddings).epistemic
    return Pool(features, rows, head.predict(embeddings), information, embeddings, lambda inputs, _: head.predict(inputs))


def _macro_auc(head: Morphology | None, galaxies: Galaxies) -> float:
    if head is None:
        return 0.5
    probabilities = head.predict(galaxies.measured_features)
    one_hot = np.eye(len(galaxies.classes))[galaxies.measured_labels]
    return float(np.mean([roc_auc_score(one_hot[:, index], probabilities[:, index]) for index in range(len(galaxies.classes))]))

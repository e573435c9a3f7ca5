"""Methods on the frozen encoder: the product's morphology head, with random queries or with the product's query strategy.

The head is fitted without the offset of the shipped base head, which was fitted on these very labels. The oracle gives one
label for each query and every query is counted; the first ten are drawn at random, whatever their classes are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch.nn import functional

from backend.heads.classification.morphology import Morphology
from backend.heads.errors import NotEnoughLabels
from backend.lvm.checkpoint import fingerprint, load_encoder
from benchmarks.label_efficiency.galaxies import CLASSES, Galaxies

__all__ = ["Rank", "by_confidence", "by_information", "embed", "fit_and_predict", "queries"]

CACHE = Path(".cache/label-efficiency")
BATCH = 64
FIRST = 10
BATCH_SHARE = 0.1
"""Size of a batch, as a share of the labelled galaxies; at least `FIRST`, the product's batch size."""

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]
Rank = Callable[[Morphology, Floats], Floats]
"""From a head and embeddings of unlabelled galaxies to scores; the galaxy with the lowest score is labelled next."""


def embed(galaxies: Galaxies, checkpoint: Path) -> Floats:
    """Embed all galaxies with a frozen encoder, shape (n, d); computed once and cached on disk.

    The frames are enlarged to the encoder's image size: the pixels are those of the other methods, at the encoder's scale.
    """
    file = CACHE / f"{galaxies.pixels}-enlarged-{fingerprint(checkpoint)}.npy"
    if not file.exists():
        encoder = load_encoder(checkpoint)
        batches = []
        for start in track(range(0, len(galaxies.frames), BATCH), "embedding", transient=True):
            frames = torch.from_numpy(galaxies.frames[start : start + BATCH]).permute(0, 3, 1, 2).float() / 255
            side = encoder.config.image_px
            batches.append(encoder.embed(functional.interpolate(frames, size=(side, side), mode="bicubic").clamp(0, 1)).numpy())
        CACHE.mkdir(parents=True, exist_ok=True)
        temporary = file.with_suffix(".unfinished.npy")
        np.save(temporary, np.concatenate(batches))
        temporary.replace(file)
    embeddings: Floats = np.load(file)
    return embeddings


def fit_and_predict(embeddings: Floats, labels: Indices, test: Floats) -> Floats:
    """Return probabilities of test galaxies, shape (n, classes); uniform if all labels are the same."""
    try:
        return fit(embeddings, labels).predict(test)
    except NotEnoughLabels:
        return np.full((len(test), len(CLASSES)), 1 / len(CLASSES), np.float32)


def fit(embeddings: Floats, labels: Indices) -> Morphology:
    """Fit the product's head with its default hyperparameters."""
    return Morphology.fit(embeddings, np.eye(len(CLASSES))[labels], classes=CLASSES, exclusive=True)


def by_confidence(head: Morphology, embeddings: Floats) -> Floats:
    """Return the margin between the two likeliest classes; the smallest is queried first."""
    return head.confidence(head.predict(embeddings))


def by_information(head: Morphology, embeddings: Floats) -> Floats:
    """Return the negative mutual information of label and weights, the product's query strategy (BALD, Houlsby+2011)."""
    return -head.uncertainty(embeddings).epistemic


def queries(
    embeddings: Floats, labels: Indices, *, order: Indices, rungs: Sequence[int], rank: Rank
) -> Iterator[tuple[int, Indices]]:
    """Label galaxies batch by batch as a strategy ranks them.

    Parameters
    ----------
    embeddings : ndarray, shape (n, d)
    labels : ndarray of int, shape (n,)
        The oracle's labels: read only for queried galaxies.
    order : ndarray of int, shape (n,)
        Random order: its first ten galaxies are the first batch, and it is used while only one class is labelled.
    rungs : sequence of int
        Numbers of labels at which to yield.
    rank : Rank

    Yields
    ------
    int, ndarray of int
        A rung, and the galaxies that are labelled at this rung.
    """
    rows = order[:FIRST]
    for rung in rungs:
        while len(rows) < rung:
            waiting = order[~np.isin(order, rows)]
            batch = max(FIRST, round(BATCH_SHARE * len(rows)))
            try:
                scores = rank(fit(embeddings[rows], labels[rows]), embeddings[waiting])
                batch_rows = waiting[np.argsort(scores, kind="stable")[:batch]]
            except NotEnoughLabels:
                batch_rows = waiting[:batch]
            rows = np.concatenate([rows, batch_rows])
        # A batch may cross a rung, so results do not depend on which rungs are requested; each batch is sorted by score.
        yield rung, rows[:rung]

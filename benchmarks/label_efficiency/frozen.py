"""The methods on the frozen encoder: the product's morphology head, with galaxies labelled at random or as the product ranks
them.

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
"""A batch is ten galaxies, as a team submits them, and later a tenth of all that are labelled."""

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]
Rank = Callable[[Morphology, Floats], Floats]
"""From a head and embeddings of unlabelled galaxies to numbers of which the lowest is to be labelled next."""


def embed(galaxies: Galaxies, checkpoint: Path) -> Floats:
    """Embed all galaxies with a frozen encoder, shape (n, d); computed once and kept.

    The frames are enlarged to what the encoder was trained at: the same pixels as the other methods', at the scale that it
    knows.
    """
    kept = CACHE / f"{galaxies.pixels}-enlarged-{fingerprint(checkpoint)}.npy"
    if not kept.exists():
        encoder = load_encoder(checkpoint)
        found = []
        for start in track(range(0, len(galaxies.frames), BATCH), "embedding", transient=True):
            frames = torch.from_numpy(galaxies.frames[start : start + BATCH]).permute(0, 3, 1, 2).float() / 255
            side = encoder.config.image_px
            found.append(encoder.embed(functional.interpolate(frames, size=(side, side), mode="bicubic").clamp(0, 1)).numpy())
        CACHE.mkdir(parents=True, exist_ok=True)
        unfinished = kept.with_suffix(".unfinished.npy")
        np.save(unfinished, np.concatenate(found))
        unfinished.replace(kept)
    embeddings: Floats = np.load(kept)
    return embeddings


def fit_and_predict(embeddings: Floats, labels: Indices, test: Floats) -> Floats:
    """Probabilities of test galaxies, shape (n, classes); uniform where all labels are the same, as nothing is told apart."""
    try:
        return fit(embeddings, labels).predict(test)
    except NotEnoughLabels:
        return np.full((len(test), len(CLASSES)), 1 / len(CLASSES), np.float32)


def fit(embeddings: Floats, labels: Indices) -> Morphology:
    """Fit the product's head as it is shipped, nothing chosen here."""
    return Morphology.fit(embeddings, np.eye(len(CLASSES))[labels], classes=CLASSES, exclusive=True)


def by_confidence(head: Morphology, embeddings: Floats) -> Floats:
    """The margin between the two likeliest classes, the smallest first."""
    return head.confidence(head.predict(embeddings))


def by_information(head: Morphology, embeddings: Floats) -> Floats:
    """The product's order: what a label would tell of the head's weights, the most first (BALD, Houlsby+2011)."""
    return -head.uncertainty(embeddings).epistemic


def queries(
    embeddings: Floats, labels: Indices, *, order: Indices, rungs: Sequence[int], rank: Rank
) -> Iterator[tuple[int, Indices]]:
    """Label galaxies batch by batch as a strategy ranks them.

    Parameters
    ----------
    embeddings : ndarray, shape (n, d)
    labels : ndarray of int, shape (n,)
        The oracle: read only at galaxies that were asked for.
    order : ndarray of int, shape (n,)
        Random; its first ten begin, and it is followed while nothing is told apart yet.
    rungs : sequence of int
        Numbers of labels to stop at.
    rank : Rank

    Yields
    ------
    int, ndarray of int
        A rung, and the galaxies that are labelled by then.
    """
    labelled = order[:FIRST]
    for rung in rungs:
        while len(labelled) < rung:
            waiting = order[~np.isin(order, labelled)]
            batch = max(FIRST, round(BATCH_SHARE * len(labelled)))
            try:
                scores = rank(fit(embeddings[labelled], labels[labelled]), embeddings[waiting])
                chosen = waiting[np.argsort(scores, kind="stable")[:batch]]
            except NotEnoughLabels:
                chosen = waiting[:batch]
            labelled = np.concatenate([labelled, chosen])
        # Batches do not end at rungs, so that asking for fewer rungs changes none; a batch is labelled the lowest first.
        yield rung, labelled[:rung]

"""The front of a queue: the next tasks in the order of the ranking, with held-out tasks at random places."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence

import numpy as np

from backend.prediction.prediction import LEAST_SCORE

__all__ = ["front_length", "front_scores", "mix_in"]

LEAST_LENGTH, LONGEST_LENGTH = 50, 300
"""Bounds of the front. Label Studio 1.23.2 changes a score in 0.13 s on a busy machine, and the longest front in 40 s."""
BATCHES = 3
"""Batches in a front: it is replaced when half of it is annotated, so a team never reaches its end during a training."""


def front_length(batch: int) -> int:
    """Return the number of tasks at the front for a batch size."""
    return min(max(LEAST_LENGTH, BATCHES * batch), LONGEST_LENGTH)


def mix_in(ranking: Sequence[int], held_out: Collection[int], *, share: float, length: int, seed: str) -> list[int]:
    """Insert held-out tasks into ranked ones, so that they remain a random sample of all held-out tasks.

    Parameters
    ----------
    ranking : sequence of int
        Ids of the other tasks, the first to annotate first.
    held_out : collection of int
        Ids of the open held-out tasks.
    share : float
        Share of held-out tasks in the front, 0 to 1.
    length : int
        Number of tasks in the front.
    seed : str
        Decides which tasks are chosen, and their places. The first place is never theirs, so that a request is seen to work.

    Returns
    -------
    list of int
        At most `length` ids.
    """
    if not ranking:
        return []
    source = np.random.default_rng(int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8]))
    size = min(length, len(ranking) + len(held_out))
    count = min(int(size * share + source.random()), len(held_out), size - 1)
    held_out_order = iter(source.permutation(sorted(held_out))[:count].tolist())
    remaining = iter(ranking)
    places = set(source.choice(np.arange(1, size), count, replace=False).tolist())
    front = [next(held_out_order if place in places else remaining, None) for place in range(size)]
    return [task for task in front if task is not None]


def front_scores(tasks: Sequence[int]) -> dict[int, float]:
    """Return the scores of the tasks at the front: ascending, from 0 to below the lowest score of a prediction."""
    return {task: LEAST_SCORE * place / len(tasks) for place, task in enumerate(tasks)}

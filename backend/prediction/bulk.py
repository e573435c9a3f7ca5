"""Predictions in bulk: an engine predicts tasks, and Label Studio stores one chunk while the next is predicted.

Publication and pre-labelling both store predictions here; they differ in which tasks they choose. Predictions that are already
stored are left out, so that a process that was killed can be run again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from backend.prediction.predictor import CHUNK, Prediction, PredictionTask, Predictor
from sync.label_studio.client import LabelStudioClient
from sync.label_studio.predictions import push

__all__ = ["Engine", "Pairs", "Stored", "make_engine", "predict_and_store"]

FIRST_CHUNK = 200
"""Number of tasks in the first chunk, which are stored long before the last are predicted. Each further chunk is twice as
large, because Label Studio recounts the whole project at every import: 25 imports of 200 would take ten times as long as one
of 5,000."""
LARGEST_CHUNK = 5000
LONGEST_CHUNK_S = 120.0
"""A chunk is stored after this time even if it is not full: with masks that take a second each, a kill would lose an hour of
work."""

Pairs = list[tuple[PredictionTask, Prediction]]

Engine = Callable[[Sequence[PredictionTask]], Iterator[Pairs]]
"""Predicts tasks, each once, and yields them in batches of at most `CHUNK`, in any order."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A chunk that was sent to Label Studio, and the number of its predictions that Label Studio has now."""

    pairs: Pairs
    count: int


def make_engine(predictor: Predictor) -> Engine:
    """Return an engine that predicts in this process, in order."""

    def predict(tasks: Sequence[PredictionTask]) -> Iterator[Pairs]:
        for start in range(0, len(tasks), CHUNK):
            batch = tasks[start : start + CHUNK]
            yield list(zip(batch, predictor.predict(batch), strict=True))

    return predict


def predict_and_store(
    client: LabelStudioClient,
    project_id: int,
    batches: Iterable[Pairs],
    *,
    exclusive: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> Iterator[Stored]:
    """Store an engine's predictions, chunk by chunk.

    Parameters
    ----------
    client : LabelStudioClient
    project_id : int
    batches : iterable of list of (PredictionTask, Prediction)
        From an engine.
    exclusive : callable
        Returns a context manager that is held while a chunk is stored, and waits until no other process stores for this
        project.

    Yields
    ------
    Stored
        Each chunk after it was stored.

    Raises
    ------
    LabelStudioUnavailable
        If Label Studio cannot be reached; the chunks before are stored.
    """

    def store(pairs: Pairs) -> int:
        with exclusive():
            return push(client, project_id, [prediction.as_json() | {"task": task.id} for task, prediction in pairs])

    with ThreadPoolExecutor(1, thread_name_prefix="bulk") as pool:
        before: tuple[Pairs, Future[int]] | None = None
        for chunk in _chunks(batches):
            if before is not None:
                yield Stored(before[0], before[1].result())
            before = chunk, pool.submit(store, chunk)
        if before is not None:
            yield Stored(before[0], before[1].result())


def _chunks(batches: Iterable[Pairs]) -> Iterator[Pairs]:
    """Collect batches into chunks, each up to twice as large as the one before."""
    size, chunk, began = FIRST_CHUNK, Pairs(), time.monotonic()
    for batch in batches:
        chunk += batch
        if len(chunk) + CHUNK > size or time.monotonic() - began >= LONGEST_CHUNK_S:
            yield chunk
            size, chunk, began = min(2 * size, LARGEST_CHUNK), [], time.monotonic()
    if chunk:
        yield chunk

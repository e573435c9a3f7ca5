"""Predictions in bulk: an engine predicts tasks, and Label Studio stores one chunk while the next is predicted.

What publishes a version and what pre-labels a project differ in which tasks they choose and in what happens around it; both
store through here. A chunk that is stored already is left out, so whoever was killed does the same again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from backend.prediction.predictor import CHUNK, Prediction, Predictor, Task
from sync.label_studio.client import LabelStudioClient
from sync.label_studio.predictions import push

__all__ = ["Engine", "Pairs", "Stored", "predict_and_store", "predicting_here"]

FIRST_CHUNK = 200
"""Tasks stored first: they are on screen long before the last are computed. Each further chunk is twice as large, because Label
Studio recounts the whole project at every import: 25 imports of 200 would cost it ten times one of 5,000."""
LARGEST_CHUNK = 5000
LONGEST_CHUNK_S = 120.0
"""What has gathered for so long is stored: where masks take a second each, a kill would cost an hour's work."""

Pairs = list[tuple[Task, Prediction]]

Engine = Callable[[Sequence[Task]], Iterator[Pairs]]
"""Predicts tasks, each once, and gives them in batches of at most `CHUNK`, in any order."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A chunk that was sent to Label Studio, and how many of its predictions it has now."""

    pairs: Pairs
    count: int


def predicting_here(predictor: Predictor) -> Engine:
    """The engine that predicts in this process, in order."""

    def predict(tasks: Sequence[Task]) -> Iterator[Pairs]:
        for start in range(0, len(tasks), CHUNK):
            batch = tasks[start : start + CHUNK]
            yield list(zip(batch, predictor.predict(batch), strict=True))

    return predict


def predict_and_store(
    client: LabelStudioClient,
    project_id: int,
    predicted: Iterable[Pairs],
    *,
    exclusive: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> Iterator[Stored]:
    """Store what an engine gives, chunk by chunk.

    Parameters
    ----------
    predicted : iterable of list of (Task, Prediction)
        Of an engine.
    turn : callable
        Gives a context to store a chunk in: one that waits until nobody else stores for this project.

    Raises
    ------
    LabelStudioUnavailable
        If Label Studio went away: some are stored.
    """

    def store(pairs: Pairs) -> int:
        with exclusive():
            return push(client, project_id, [prediction.as_json() | {"task": task.id} for task, prediction in pairs])

    with ThreadPoolExecutor(1, thread_name_prefix="bulk") as beside:
        before: tuple[Pairs, Future[int]] | None = None
        for chunk in _chunks(predicted):
            if before is not None:
                yield Stored(before[0], before[1].result())
            before = chunk, beside.submit(store, chunk)
        if before is not None:
            yield Stored(before[0], before[1].result())


def _chunks(predicted: Iterable[Pairs]) -> Iterator[Pairs]:
    """Gather batches to chunks, each of which may be twice as large as the one before."""
    size, chunk, began = FIRST_CHUNK, Pairs(), time.monotonic()
    for batch in predicted:
        chunk += batch
        if len(chunk) + CHUNK > size or time.monotonic() - began >= LONGEST_CHUNK_S:
            yield chunk
            size, chunk, began = min(2 * size, LARGEST_CHUNK), [], time.monotonic()
    if chunk:
        yield chunk

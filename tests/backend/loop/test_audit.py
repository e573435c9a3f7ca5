"""The audit's order: held-out tasks are served at random between the others, in their share, independent of the heads."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.loop.audit import randomise_held_out
from backend.prediction.predictor import Prediction, PredictionTask


def pairs(scores: list[float], version: str = "v0002") -> list[tuple[PredictionTask, Prediction]]:
    return [(PredictionTask(id_, {}), Prediction([], score, version)) for id_, score in enumerate(scores)]


def randomise(
    scores: list[float], held_out: set[int], *, version: str = "v0002", batch: int = 64, known_scores: list[float] | None = None
) -> list[float]:
    score_pairs = pairs(scores, version)
    batches = [score_pairs[start : start + batch] for start in range(0, len(score_pairs), batch)]
    return [
        prediction.score
        for pairs_of_batch in randomise_held_out(batches, frozenset(held_out), known_scores=known_scores or [])
        for _, prediction in pairs_of_batch
    ]


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0], ids=["all hard", "all alike", "all easy"])
def test_each_part_of_the_queue_has_about_the_share_of_held_out_tasks(share: float) -> None:
    random = np.random.default_rng(0)
    held_out = set(range(0, 2000, 5))
    scores = [share if task in held_out else float(random.beta(2, 5)) for task in range(2000)]
    queue = np.argsort(randomise(scores, held_out), kind="stable")
    for start in range(0, 2000, 400):
        is_held_out = [int(task) in held_out for task in queue[start : start + 400]]
        assert np.mean(is_held_out) == pytest.approx(0.2, abs=0.07)


def test_the_order_of_held_out_tasks_is_independent_of_their_scores() -> None:
    random = np.random.default_rng(1)
    scores = random.uniform(0, 1, 2000).tolist()
    held_out = set(range(0, 2000, 5))
    after = randomise(scores, held_out)
    assert abs(np.corrcoef([scores[task] for task in held_out], [after[task] for task in held_out])[0, 1]) < 0.15


def test_scores_differ_between_versions_and_are_reproducible() -> None:
    scores, held_out = [0.1 * place for place in range(10)], {3, 7}
    assert randomise(scores, held_out) == randomise(scores, held_out)
    assert randomise(scores, held_out) != randomise(scores, held_out, version="v0003")


@given(st.lists(st.floats(0, 1), min_size=1, max_size=200), st.sets(st.integers(0, 199)), st.integers(1, 64))
def test_other_tasks_keep_their_scores(scores: list[float], held_out: set[int], batch: int) -> None:
    after = randomise(scores, held_out, batch=batch)
    assert all(after[task] == score for task, score in enumerate(scores) if task not in held_out)
    assert all(0 <= score <= 1 for score in after)


def test_a_single_held_out_task_gets_a_score_among_the_known_ones() -> None:
    assert randomise([0.9], {0}, known_scores=[0.2, 0.3]) != [0.9]
    assert 0.2 <= randomise([0.9], {0}, known_scores=[0.2, 0.3])[0] <= 0.3


def test_a_task_with_an_unreadable_image_stays_last() -> None:
    unreadable = (PredictionTask(1, {}), Prediction([], 1.0, "v0002", "it cannot be read"))
    ((_, after),) = next(iter(randomise_held_out([[unreadable]], frozenset({1}), known_scores=[0.1])))
    assert after.score == 1.0

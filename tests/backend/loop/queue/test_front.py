"""The front of a queue: its length, held-out tasks in it, and its scores."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.loop.queue.front import front_length, front_scores, mix_in
from backend.prediction.prediction import LEAST_SCORE


@pytest.mark.parametrize(("batch", "length"), [(1, 50), (10, 50), (25, 75), (1000, 300)])
def test_a_front_has_three_batches_within_bounds(batch: int, length: int) -> None:
    assert front_length(batch) == length


@given(rank_count=st.integers(0, 60), held_out=st.integers(0, 60), share=st.floats(0, 1), length=st.integers(1, 60))
def test_a_front_has_each_task_once_and_keeps_the_order(rank_count: int, held_out: int, share: float, length: int) -> None:
    ranking, validation = list(range(rank_count)), set(range(100, 100 + held_out))
    front = mix_in(ranking, validation, share=share, length=length, seed="v0002")
    assert len(front) == len(set(front)) <= length
    assert set(front) <= set(ranking) | validation
    assert [task for task in front if task < 100] == ranking[: sum(task < 100 for task in front)]
    assert front[:1] == ranking[:1]


def test_held_out_tasks_have_their_share_at_random_places() -> None:
    places: Counter[int] = Counter()
    counts = []
    for version in range(200):
        front = mix_in(list(range(100)), set(range(100, 125)), share=0.2, length=50, seed=f"v{version}")
        places.update(place for place, task in enumerate(front) if task >= 100)
        counts.append(sum(task >= 100 for task in front))
    assert sum(counts) / len(counts) == pytest.approx(10, abs=0.2)
    assert max(places.values()) < 80
    assert len(places) == 49


def test_every_held_out_task_is_as_likely_to_be_chosen() -> None:
    counts: Counter[int] = Counter()
    for version in range(400):
        counts.update(task for task in mix_in(list(range(50)), set(range(100, 120)), share=0.2, length=50, seed=f"v{version}"))
    frequencies = [counts[task] for task in range(100, 120)]
    assert sum(frequencies) == 4000
    assert max(frequencies) < 260
    assert min(frequencies) > 140


def test_scores_of_the_front_ascend_below_all_others() -> None:
    scores = front_scores((7, 3, 5))
    assert 0 <= scores[7] < scores[3] < scores[5] < LEAST_SCORE

"""The benchmark of rankings measures each strategy."""

from __future__ import annotations

import pytest

from benchmarks.ranking.run import SIMILAR, measure


@pytest.mark.parametrize("strategy", ["herding", "interest", SIMILAR])
def test_a_ranking_is_measured(strategy: str) -> None:
    row = measure(strategy, 200)
    assert (row.strategy, row.tasks) == (strategy, 200)
    assert row.seconds > 0
    assert row.memory_mb >= 0

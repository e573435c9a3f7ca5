"""The benchmark of rankings measures each strategy."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.ranking import survey
from benchmarks.ranking.run import SIMILAR, measure


@pytest.mark.parametrize("strategy", ["herding", "interest", SIMILAR])
def test_a_ranking_is_measured(strategy: str) -> None:
    row = measure(strategy, 200)
    assert (row.strategy, row.tasks) == (strategy, 200)
    assert row.seconds > 0
    assert row.memory_mb > row.added_mb >= 0


@pytest.mark.slow
def test_the_search_of_a_survey_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "PART", 100)
    monkeypatch.setattr(survey, "DISTINCT", 2)
    distinct = survey.write_parts(tmp_path / "distinct")
    folder = survey.link_survey(tmp_path / "survey", distinct, 250)
    for method in (survey.READ, survey.SEARCH):
        images, seconds, cpu_seconds, memory, base = survey.measure(folder, method)
        assert images == 300  # three whole parts
        assert seconds > 0
        assert cpu_seconds > 0
        assert memory >= base > 0

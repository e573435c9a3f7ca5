"""Steps from one live version to the next: significant falls, and the number expected by chance."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.trust.steps import CHANCE, measure_step, summarise


def test_a_step_that_makes_every_task_worse_is_a_decrease() -> None:
    before = np.linspace(0.5, 0.9, 50)
    after = before - 0.1 + 0.01 * np.sin(np.arange(50))
    step = measure_step(before, after, labels=20)
    assert step.falls
    assert step.low < step.after - step.before < step.high < 0


def test_a_step_that_makes_every_task_better_is_not_a_decrease() -> None:
    before = np.linspace(0.5, 0.9, 50)
    step = measure_step(before, before + 0.1 + 0.01 * np.sin(np.arange(50)), labels=20)
    assert not step.falls
    assert step.low > 0


def test_one_in_twenty_steps_without_a_change_is_a_decrease() -> None:
    rng = np.random.default_rng(0)
    falls = [measure_step(np.zeros(100), rng.normal(size=100), labels=10).falls for _ in range(2000)]
    assert np.mean(falls) == pytest.approx(CHANCE, abs=0.015)


def test_the_summary_contains_the_worst_step_and_the_chance_level() -> None:
    flat = measure_step(np.zeros(40), np.tile([0.01, -0.01], 20), labels=10)
    down = measure_step(np.ones(40), np.tile([0.8, 0.7], 20), labels=20)
    summary = summarise([[flat] * 10, [flat] * 9 + [down]], trained_count=30, ends=[(0.5, 0.7), (0.5, 0.8)])
    assert (summary.runs, summary.trained, summary.live, summary.falls) == (2, 30, 20, 1)
    assert summary.expected == pytest.approx(1)
    assert summary.p_value > 0.5
    assert summary.worst == down
    assert summary.last == pytest.approx(0.75)


def test_a_rule_without_live_versions_has_no_worst_step() -> None:
    assert summarise([[], []], trained_count=4, ends=[(0.5, 0.5), (0.5, 0.5)]).worst is None

"""The decision: a table of its rules, and properties for any measurement."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.loop.gate.decision import MARGIN, Decision, Objects, Taken, decide, decide_on_change
from backend.loop.scores.comparison import TIE, Answer, Comparison


def measured(low: float, high: float) -> Comparison:
    answer = Answer.BETTER if low > TIE else Answer.WORSE if high < -TIE else Answer.CANNOT_TELL
    return Comparison(answer, (low + high) / 2, low, high, 20, 20)


BETTER, WORSE, WIDE, NARROW, TIED = (measured(*each) for each in [(0.1, 0.2), (-0.2, -0.1), (-0.3, 0.3), (-0.04, 0.1), (0, 0)])


@pytest.mark.parametrize(
    ("versus_live", "versus_shipped", "live_versus_shipped", "new", "taken"),
    [
        (BETTER, BETTER, TIED, (), Taken.CANDIDATE),
        (BETTER, WIDE, WIDE, (), Taken.CANDIDATE),
        (WORSE, BETTER, BETTER, (), Taken.LIVE),
        (TIED, TIED, TIED, (), Taken.LIVE),
        (WIDE, BETTER, BETTER, (), Taken.LIVE),
        (WIDE, WIDE, TIED, ("Ring",), Taken.LIVE),  # it may be far worse
        (NARROW, NARROW, TIED, (), Taken.LIVE),  # nothing new
        (NARROW, NARROW, TIED, ("Ring",), Taken.CANDIDATE),
        (TIED, BETTER, BETTER, ("Ring",), Taken.CANDIDATE),
        (NARROW, WIDE, WIDE, ("Ring",), Taken.LIVE),  # it may be far worse than the shipped head
        (WORSE, NARROW, BETTER, ("Ring",), Taken.LIVE),
        (BETTER, WORSE, WORSE, (), Taken.SHIPPED),  # better than a bad live version, but worse than the shipped head
        (BETTER, WORSE, WIDE, (), Taken.LIVE),
        (WORSE, WORSE, WORSE, (), Taken.SHIPPED),
        (WIDE, WIDE, WORSE, (), Taken.SHIPPED),
        (BETTER, WIDE, WORSE, (), Taken.CANDIDATE),
    ],
)
def test_the_rules(
    versus_live: Comparison, versus_shipped: Comparison, live_versus_shipped: Comparison, new: tuple[str, ...], taken: Taken
) -> None:
    assert decide(versus_live, versus_shipped, live_versus_shipped, new_labels=new).taken is taken


@pytest.mark.parametrize(
    ("objects", "taken"),
    [
        (Objects(drawn=12, predicted=0, candidate_hits=0, live_hits=0), Taken.LIVE),
        (Objects(drawn=12, predicted=40, candidate_hits=0, live_hits=3), Taken.LIVE),
        (Objects(drawn=12, predicted=40, candidate_hits=0, live_hits=0), Taken.CANDIDATE),
        (Objects(drawn=12, predicted=9, candidate_hits=8, live_hits=9), Taken.CANDIDATE),
        (Objects(drawn=0, predicted=0, candidate_hits=0, live_hits=0), Taken.CANDIDATE),  # no drawn objects
    ],
)
def test_a_version_that_finds_nothing_where_people_drew_something_is_not_taken(objects: Objects, taken: Taken) -> None:
    assert decide(BETTER, BETTER, TIED, new_labels=("Ring",), objects=objects).taken is taken


comparisons = st.tuples(st.floats(-1, 1), st.floats(-1, 1)).map(lambda ends: measured(min(ends), max(ends)))
labels = st.sampled_from([(), ("Ring",)])


@given(comparisons, comparisons, comparisons, labels)
def test_what_is_measured_as_worse_is_never_taken(
    live: Comparison, shipped: Comparison, other: Comparison, new: tuple[str, ...]
) -> None:
    taken = decide(live, shipped, other, new_labels=new).taken
    assert not (taken is Taken.CANDIDATE and Answer.WORSE in (live.answer, shipped.answer))
    assert not (taken is Taken.LIVE and other.answer is Answer.WORSE)
    assert taken is not Taken.SHIPPED or other.answer is Answer.WORSE


@given(comparisons, comparisons, comparisons, labels)
def test_without_a_measured_gain_only_something_new_within_the_margin_is_taken(
    live: Comparison, shipped: Comparison, other: Comparison, new: tuple[str, ...]
) -> None:
    if decide(live, shipped, other, new_labels=new).taken is Taken.CANDIDATE and live.answer is not Answer.BETTER:
        assert new
        assert live.low > -MARGIN


@pytest.mark.parametrize(
    ("taken", "change", "compared", "held_out", "kept"),
    [
        (Taken.CANDIDATE, MARGIN, 0.0, WIDE, Taken.CANDIDATE),
        (Taken.CANDIDATE, 3 * MARGIN, MARGIN, WIDE, Taken.LIVE),
        (Taken.CANDIDATE, 3 * MARGIN, MARGIN, WORSE, Taken.LIVE),
        (Taken.CANDIDATE, 3 * MARGIN, 2 * MARGIN, WIDE, Taken.CANDIDATE),  # similar to the change on the compared tasks
        (Taken.CANDIDATE, 3 * MARGIN, MARGIN, BETTER, Taken.CANDIDATE),  # the held-out tasks represent all others
        (Taken.SHIPPED, 3 * MARGIN, MARGIN, WIDE, Taken.LIVE),
        (Taken.SHIPPED, 0.0, 0.0, WIDE, Taken.SHIPPED),
        (Taken.LIVE, 3 * MARGIN, MARGIN, WIDE, Taken.LIVE),
    ],
)
def test_a_head_that_changes_other_tasks_more_than_those_it_is_compared_on_needs_the_held_out_ones(
    taken: Taken, change: float, compared: float, held_out: Comparison, kept: Taken
) -> None:
    decision = decide_on_change(Decision(taken, "is better"), change=change, compared=compared, held_out=held_out)
    assert decision.taken is kept

"""The decision: a table of its rules, and properties for any measurement."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.loop.gate.decision import MARGIN, Decision, EncoderSwitch, HeadOrigin, ObjectCounts, decide, decide_on_change
from backend.loop.scores.comparison import TIE, Comparison, ComparisonResult


def comparison_of(low: float, high: float) -> Comparison:
    answer = ComparisonResult.BETTER if low > TIE else ComparisonResult.WORSE if high < -TIE else ComparisonResult.CANNOT_TELL
    difference = (low + high) / 2
    return Comparison(answer, difference, low, high, 20, 20, difference - 0.77 * (high - low) / 2)


BETTER, WORSE, WIDE, NARROW, TIED = (
    comparison_of(*each) for each in [(0.1, 0.2), (-0.2, -0.1), (-0.3, 0.3), (-0.04, 0.1), (0, 0)]
)


@pytest.mark.parametrize(
    ("versus_live", "versus_shipped", "live_versus_shipped", "new", "origin"),
    [
        (BETTER, BETTER, TIED, (), HeadOrigin.CANDIDATE),
        (BETTER, WIDE, WIDE, (), HeadOrigin.CANDIDATE),
        (WORSE, BETTER, BETTER, (), HeadOrigin.LIVE),
        (TIED, TIED, TIED, (), HeadOrigin.LIVE),
        (WIDE, BETTER, BETTER, (), HeadOrigin.LIVE),
        (WIDE, WIDE, TIED, ("Ring",), HeadOrigin.LIVE),  # it may be far worse
        (NARROW, NARROW, TIED, (), HeadOrigin.LIVE),  # nothing new
        (NARROW, NARROW, TIED, ("Ring",), HeadOrigin.CANDIDATE),
        (TIED, BETTER, BETTER, ("Ring",), HeadOrigin.CANDIDATE),
        (NARROW, WIDE, WIDE, ("Ring",), HeadOrigin.LIVE),  # it may be far worse than the shipped head
        (WORSE, NARROW, BETTER, ("Ring",), HeadOrigin.LIVE),
        (BETTER, WORSE, WORSE, (), HeadOrigin.SHIPPED),  # better than a bad live version, but worse than the shipped head
        (BETTER, WORSE, WIDE, (), HeadOrigin.LIVE),
        (WORSE, WORSE, WORSE, (), HeadOrigin.SHIPPED),
        (WIDE, WIDE, WORSE, (), HeadOrigin.SHIPPED),
        (BETTER, WIDE, WORSE, (), HeadOrigin.CANDIDATE),
    ],
)
def test_rules(
    versus_live: Comparison,
    versus_shipped: Comparison,
    live_versus_shipped: Comparison,
    new: tuple[str, ...],
    origin: HeadOrigin,
) -> None:
    assert decide(versus_live, versus_shipped, live_versus_shipped, new_labels=new).origin is origin


LIKELY = comparison_of(-0.01, 0.11)
"""Not significant at the level of 90 %, and significant at that of 80 %."""
SLIGHTLY_WORSE = comparison_of(-0.1, 0.09)


@pytest.mark.parametrize(
    ("versus_live", "versus_shipped", "live_versus_shipped", "has_more_labels", "origin"),
    [
        (LIKELY, BETTER, BETTER, True, HeadOrigin.CANDIDATE),
        (LIKELY, BETTER, BETTER, False, HeadOrigin.LIVE),
        (LIKELY, WIDE, WIDE, True, HeadOrigin.CANDIDATE),
        (LIKELY, SLIGHTLY_WORSE, WIDE, True, HeadOrigin.LIVE),  # the shipped head has the better mean
        (LIKELY, WORSE, WIDE, True, HeadOrigin.LIVE),
        (LIKELY, BETTER, WORSE, True, HeadOrigin.SHIPPED),
        (NARROW, BETTER, BETTER, True, HeadOrigin.LIVE),
        (TIED, BETTER, BETTER, True, HeadOrigin.LIVE),
        (WORSE, BETTER, BETTER, True, HeadOrigin.LIVE),
    ],
)
def test_a_candidate_with_more_labels_needs_less_evidence(
    versus_live: Comparison,
    versus_shipped: Comparison,
    live_versus_shipped: Comparison,
    has_more_labels: bool,
    origin: HeadOrigin,
) -> None:
    decision = decide(versus_live, versus_shipped, live_versus_shipped, has_more_labels=has_more_labels)
    assert decision.origin is origin


@pytest.mark.parametrize(
    ("objects", "origin"),
    [
        (ObjectCounts(drawn_count=12, predicted_count=0, candidate_hits=0, live_hits=0), HeadOrigin.LIVE),
        (ObjectCounts(drawn_count=12, predicted_count=40, candidate_hits=0, live_hits=3), HeadOrigin.LIVE),
        (ObjectCounts(drawn_count=12, predicted_count=40, candidate_hits=0, live_hits=0), HeadOrigin.CANDIDATE),
        (ObjectCounts(drawn_count=12, predicted_count=9, candidate_hits=8, live_hits=9), HeadOrigin.CANDIDATE),
        (
            ObjectCounts(drawn_count=0, predicted_count=0, candidate_hits=0, live_hits=0),
            HeadOrigin.CANDIDATE,
        ),  # no drawn objects
    ],
)
def test_a_candidate_that_finds_none_of_the_drawn_objects_is_rejected(objects: ObjectCounts, origin: HeadOrigin) -> None:
    assert decide(BETTER, BETTER, TIED, new_labels=("Ring",), objects=objects).origin is origin


comparisons = st.tuples(st.floats(-1, 1), st.floats(-1, 1)).map(lambda ends: comparison_of(min(ends), max(ends)))
labels = st.sampled_from([(), ("Ring",)])


@given(comparisons, comparisons, comparisons, labels)
def test_a_significantly_worse_candidate_is_never_accepted(
    live: Comparison, versus_shipped: Comparison, other: Comparison, new: tuple[str, ...]
) -> None:
    origin = decide(live, versus_shipped, other, new_labels=new).origin
    assert not (origin is HeadOrigin.CANDIDATE and ComparisonResult.WORSE in (live.answer, versus_shipped.answer))
    assert not (origin is HeadOrigin.LIVE and other.answer is ComparisonResult.WORSE)
    assert origin is not HeadOrigin.SHIPPED or other.answer is ComparisonResult.WORSE


@given(comparisons, comparisons, comparisons, labels)
def test_without_a_gain_only_a_new_label_within_the_margin_is_accepted(
    live: Comparison, versus_shipped: Comparison, other: Comparison, new: tuple[str, ...]
) -> None:
    if (
        decide(live, versus_shipped, other, new_labels=new).origin is HeadOrigin.CANDIDATE
        and live.answer is not ComparisonResult.BETTER
    ):
        assert new
        assert live.low > -MARGIN


@pytest.mark.parametrize(
    ("origin", "change", "annotated_change", "held_out", "expected"),
    [
        (HeadOrigin.CANDIDATE, MARGIN, 0.0, WIDE, HeadOrigin.CANDIDATE),
        (HeadOrigin.CANDIDATE, 3 * MARGIN, MARGIN, WIDE, HeadOrigin.LIVE),
        (HeadOrigin.CANDIDATE, 3 * MARGIN, MARGIN, WORSE, HeadOrigin.LIVE),
        (
            HeadOrigin.CANDIDATE,
            3 * MARGIN,
            2 * MARGIN,
            WIDE,
            HeadOrigin.CANDIDATE,
        ),  # like the compared tasks
        (HeadOrigin.CANDIDATE, 3 * MARGIN, MARGIN, BETTER, HeadOrigin.CANDIDATE),  # the held-out tasks represent all others
        (HeadOrigin.SHIPPED, 3 * MARGIN, MARGIN, WIDE, HeadOrigin.LIVE),
        (HeadOrigin.SHIPPED, 0.0, 0.0, WIDE, HeadOrigin.SHIPPED),
        (HeadOrigin.LIVE, 3 * MARGIN, MARGIN, WIDE, HeadOrigin.LIVE),
    ],
)
def test_a_large_change_of_other_tasks_requires_a_gain_on_held_out_tasks(
    origin: HeadOrigin, change: float, annotated_change: float, held_out: Comparison, expected: HeadOrigin
) -> None:
    decision = decide_on_change(
        Decision(origin, "is better"), change=change, annotated_change=annotated_change, held_out=held_out
    )
    assert decision.origin is expected


@pytest.mark.parametrize(
    ("switch", "held_out", "origin"),
    [
        (EncoderSwitch.CHOSEN, WIDE, HeadOrigin.CANDIDATE),
        (EncoderSwitch.CHOSEN, BETTER, HeadOrigin.CANDIDATE),
        (EncoderSwitch.CHOSEN, WORSE, HeadOrigin.LIVE),
        (EncoderSwitch.RELEASE, WIDE, HeadOrigin.LIVE),
        (EncoderSwitch.RELEASE, BETTER, HeadOrigin.CANDIDATE),
    ],
)
def test_only_an_encoder_of_a_user_may_change_other_tasks(
    switch: EncoderSwitch, held_out: Comparison, origin: HeadOrigin
) -> None:
    decision = Decision(HeadOrigin.CANDIDATE, "is not significantly worse")
    assert decide_on_change(decision, change=0.5, annotated_change=0.0, held_out=held_out, switch=switch).origin is origin


def test_a_chosen_encoder_does_not_lift_the_limit_for_the_shipped_head() -> None:
    decision = Decision(HeadOrigin.SHIPPED, "is better")
    final = decide_on_change(decision, change=0.5, annotated_change=0.0, held_out=WIDE, switch=EncoderSwitch.CHOSEN)
    assert final.origin is HeadOrigin.LIVE


@pytest.mark.parametrize(
    ("switch", "versus_live", "origin"),
    [
        (EncoderSwitch.CHOSEN, WIDE, HeadOrigin.CANDIDATE),
        (EncoderSwitch.CHOSEN, WORSE, HeadOrigin.LIVE),
        (EncoderSwitch.RELEASE, NARROW, HeadOrigin.CANDIDATE),
        (EncoderSwitch.RELEASE, WIDE, HeadOrigin.LIVE),
        (EncoderSwitch.NONE, NARROW, HeadOrigin.LIVE),
    ],
)
def test_a_chosen_encoder_needs_less_evidence_than_that_of_a_new_release(
    switch: EncoderSwitch, versus_live: Comparison, origin: HeadOrigin
) -> None:
    assert decide(versus_live, NARROW, TIED, switch=switch).origin is origin

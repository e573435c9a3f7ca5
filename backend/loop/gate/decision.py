"""Decide which head predicts a control from now on: the candidate's, the live version's or the shipped one.

One rule for all controls, applied to comparisons that other modules compute. If a comparison is not significant, the live head
is kept, with three exceptions: a candidate on another encoder, one with a new label, and one that was trained on more labels
and is likely better.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from backend.loop.scores.comparison import TIE, Comparison, ComparisonResult

__all__ = ["MARGIN", "Decision", "EncoderSwitch", "HeadOrigin", "ObjectCounts", "decide", "decide_on_change"]

MARGIN = 0.05
"""Largest loss of agreement (scores are between 0 and 1) at which a candidate with a new label, or on the encoder of a new
release, is accepted; also the largest change of the classes of tasks without an annotation that needs no confirmation by the
held-out tasks."""


REACH = 1.5
"""Largest ratio of a head's change on tasks without an annotation to its change on annotated tasks that needs no
confirmation by the held-out tasks."""


class EncoderSwitch(StrEnum):
    """Why the candidate stands on another encoder than the live version."""

    NONE = "none"
    """It stands on the same one."""
    CHOSEN = "chosen"
    """A user has chosen the encoder, for the project or in the settings."""
    RELEASE = "release"
    """The shipped encoder of this release is another one than that of the release that trained the live version."""


class HeadOrigin(StrEnum):
    """Origin of the head that predicts a control."""

    CANDIDATE = "candidate"
    LIVE = "live"
    SHIPPED = "shipped"


@dataclass(frozen=True, slots=True)
class ObjectCounts:
    """Counts of objects on the scored images on which annotators drew at least one.

    Attributes
    ----------
    drawn_count : int
        Objects that annotators drew.
    predicted_count : int
        Objects that the candidate predicted, correct or not.
    candidate_hits, live_hits : int
        Drawn objects that the candidate and the live version found.
    """

    drawn_count: int
    predicted_count: int
    candidate_hits: int
    live_hits: int

    @property
    def finds_nothing(self) -> bool:
        """Whether the candidate predicts no object, or finds none of the drawn objects while the live version does."""
        return self.drawn_count > 0 and (self.predicted_count == 0 or (self.candidate_hits == 0 and self.live_hits > 0))


@dataclass(frozen=True, slots=True)
class Decision:
    """The version whose head predicts a control, and the reason: a sentence without its subject."""

    origin: HeadOrigin
    reason: str


def decide(
    versus_live: Comparison,
    versus_shipped: Comparison,
    live_versus_shipped: Comparison,
    *,
    new_labels: tuple[str, ...] = (),
    objects: ObjectCounts | None = None,
    has_more_labels: bool = False,
    switch: EncoderSwitch = EncoderSwitch.NONE,
) -> Decision:
    """Decide which head predicts one control.

    Parameters
    ----------
    versus_live, versus_shipped : Comparison
        The candidate against the live version and against the shipped head.
    live_versus_shipped : Comparison
        The live version against the shipped head; a tie where the live version has no head of its own.
    new_labels : tuple of str
        Labels that the candidate was trained on and that the live version cannot predict.
    objects : ObjectCounts, optional
        Counts of objects, for a control that holds objects.
    has_more_labels : bool
        Whether the candidate was trained on more labels than the live version's head; False where the live version has no head
        of its own.
    switch : EncoderSwitch
        Whether the candidate stands on another encoder than the live version, and why.

    Notes
    -----
    The rules, in this order:

    1. A candidate that finds no object where annotators drew some is rejected.
    2. A candidate that is significantly worse than the shipped head, or than the live version, is rejected.
    3. A candidate that is significantly better than the live version is accepted.
    4. If the comparison with the live version is not significant, the candidate is accepted if it stands on an encoder that a
       user has chosen instead of that of the live version. It is also accepted if it stands on the encoder of a new release, or
       has a label that the live version lacks, and the lower ends of both intervals are above ``-MARGIN``.
    5. It is also accepted if it was trained on more labels than the live head, its difference is above `TIE` at the lower level
       `LIKELY_LEVEL`, and it is at least as good as the shipped head. More labels are a reason to expect a better head, so less
       evidence is asked for.
    6. Otherwise the live version's head is kept or, if it is significantly worse than the shipped head, the shipped head is
       restored.

    A rejected candidate is replaced as in rule 6.
    """
    fallback = _fallback(live_versus_shipped)
    if objects is not None and objects.finds_nothing:
        return Decision(fallback, f"finds none of {objects.drawn_count} drawn objects")
    if versus_shipped.answer is ComparisonResult.WORSE:
        return Decision(fallback, "is worse than the shipped head")
    if versus_live.answer is ComparisonResult.WORSE:
        return Decision(fallback, "is worse")
    if versus_live.answer is ComparisonResult.BETTER:
        return Decision(HeadOrigin.CANDIDATE, "is better")
    if switch is EncoderSwitch.CHOSEN:
        return Decision(HeadOrigin.CANDIDATE, "stands on the chosen encoder and is not significantly worse")
    is_close = min(versus_live.low, versus_shipped.low) > -MARGIN
    if switch is EncoderSwitch.RELEASE and is_close:
        reason = f"stands on the shipped encoder of this release and is not worse by more than {MARGIN:g}"
        return Decision(HeadOrigin.CANDIDATE, reason)
    if new_labels and is_close:
        labels = ", ".join(map(repr, new_labels))
        return Decision(HeadOrigin.CANDIDATE, f"predicts {labels} and is not worse by more than {MARGIN:g}")
    is_likely_better = versus_live.likely_low > TIE and versus_shipped.difference >= 0
    if has_more_labels and is_likely_better and fallback is HeadOrigin.LIVE:
        return Decision(HeadOrigin.CANDIDATE, "was trained on more labels and is likely better")
    return Decision(fallback, "does not differ significantly from the live one")


def decide_on_change(
    decision: Decision,
    *,
    change: float,
    annotated_change: float,
    held_out: Comparison,
    switch: EncoderSwitch = EncoderSwitch.NONE,
) -> Decision:
    """Keep the live head if another head changes the predictions of tasks without an annotation too much.

    Parameters
    ----------
    decision : Decision
        From `decide`.
    change, annotated_change : float
        Change of the live head's predictions on tasks without an annotation, and on the annotated ones (`change_of_classes`).
    held_out : Comparison
        The same heads on held-out tasks only, which are a random sample of all tasks.
    switch : EncoderSwitch
        As in `decide`. Other features change all predictions. So the change does not limit a candidate on an encoder that a
        user has chosen, unless the candidate is significantly worse on the held-out tasks.

    Returns
    -------
    Decision
        `decision`, or one for the live head if `change` exceeds both `MARGIN` and `REACH` times `annotated_change`, and the
        other head is not significantly better on the held-out tasks.
    """
    is_chosen = decision.origin is HeadOrigin.CANDIDATE and switch is EncoderSwitch.CHOSEN
    if (
        decision.origin is HeadOrigin.LIVE
        or change <= max(MARGIN, REACH * annotated_change)
        or held_out.answer is ComparisonResult.BETTER
        or (is_chosen and held_out.answer is not ComparisonResult.WORSE)
    ):
        return decision
    reason = (
        f"{decision.reason} on the annotated tasks, whose predictions it changes by {annotated_change:.2f}, "
        f"but changes the others by {change:.2f}, and the held-out tasks do not yet show that this is better"
    )
    return Decision(HeadOrigin.LIVE, reason)


def _fallback(live_versus_shipped: Comparison) -> HeadOrigin:
    return HeadOrigin.SHIPPED if live_versus_shipped.answer is ComparisonResult.WORSE else HeadOrigin.LIVE

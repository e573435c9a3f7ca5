"""The decision: which head fills a control from now on, the candidate's, the live version's or the shipped one.

One rule for all controls, of comparisons that are made elsewhere. What nobody can tell leaves things as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from backend.loop.scores.comparison import Answer, Comparison

__all__ = ["MARGIN", "Decision", "Objects", "Taken", "decide", "decide_on_change"]

MARGIN = 0.05
"""A candidate that knows a new label may be so much worse than the live version, of scores between 0 and 1, and not more; by so
much may a head change the classes of tasks that nobody has annotated before the held-out tasks alone must speak for it."""


REACH = 1.5
"""A head may change the classes of tasks that nobody has annotated by so many times what it changes on the annotated ones."""


class Taken(StrEnum):
    """Whose head fills a control."""

    CANDIDATE = "candidate"
    LIVE = "live"
    SHIPPED = "shipped"


@dataclass(frozen=True, slots=True)
class Objects:
    """Objects on the judged tasks where people drew some.

    Attributes
    ----------
    drawn : int
        By people.
    predicted : int
        By the candidate, right or wrong.
    candidate_hits, live_hits : int
        Drawn objects that either version finds.
    """

    drawn: int
    predicted: int
    candidate_hits: int
    live_hits: int

    @property
    def blind(self) -> bool:
        """Whether the candidate finds nothing where people drew something, or nothing of it where the live version does."""
        return self.drawn > 0 and (self.predicted == 0 or (self.candidate_hits == 0 and self.live_hits > 0))


@dataclass(frozen=True, slots=True)
class Decision:
    """Whose head fills a control, and why, in a sentence without a subject."""

    taken: Taken
    reason: str


def decide(
    versus_live: Comparison,
    versus_shipped: Comparison,
    live_versus_shipped: Comparison,
    *,
    new_labels: tuple[str, ...] = (),
    objects: Objects | None = None,
) -> Decision:
    """Decide for one control.

    Parameters
    ----------
    versus_live, versus_shipped : Comparison
        Of the candidate.
    live_versus_shipped : Comparison
        Of the live version; a tie where the live version has no head of its own.
    new_labels : tuple of str
        Labels that the candidate has learned and that the live version does not know.
    objects : Objects, optional
        Of a control that holds objects.

    Notes
    -----
    In this order:

    1. A candidate that finds no object where people drew some is not taken.
    2. One that is measured as worse than the shipped head, or than the live version, is not taken.
    3. One that is measured as better than the live version is taken.
    4. Where one cannot tell, it is taken if it knows a label that the live version does not, and the lower ends of both
       intervals lie above ``-MARGIN``.
    5. Otherwise the live version's head stays; if that is measured as worse than the shipped one, the shipped one comes back.
    """
    kept = _kept(live_versus_shipped)
    if objects is not None and objects.blind:
        return Decision(kept, f"finds none of {objects.drawn} drawn objects")
    if versus_shipped.answer is Answer.WORSE:
        return Decision(kept, "is worse than the shipped head")
    if versus_live.answer is Answer.WORSE:
        return Decision(kept, "is worse")
    if versus_live.answer is Answer.BETTER:
        return Decision(Taken.CANDIDATE, "is better")
    if new_labels and min(versus_live.low, versus_shipped.low) > -MARGIN:
        return Decision(Taken.CANDIDATE, f"knows {', '.join(map(repr, new_labels))} and is not worse by more than {MARGIN:g}")
    return Decision(kept, "cannot be told from the live one")


def decide_on_change(decision: Decision, *, change: float, compared: float, held_out: Comparison) -> Decision:
    """Keep the live version's head where another one changes the predictions of other tasks by more than was compared.

    Parameters
    ----------
    decision : Decision
        As `decide` gives it.
    change, compared : float
        What the taken head changes of the live one's predictions, on tasks without an annotation and on those that it is
        compared on (`change_of_classes`).
    held_out : Comparison
        Of the same heads, on held-out tasks alone: these are drawn at random, and speak of all tasks.
    """
    if decision.taken is Taken.LIVE or change <= max(MARGIN, REACH * compared) or held_out.answer is Answer.BETTER:
        return decision
    reason = (
        f"{decision.reason} on the annotated tasks, whose predictions it changes by {compared:.2f}, but changes the others by "
        f"{change:.2f}, and the held-out tasks cannot tell yet whether for the better"
    )
    return Decision(Taken.LIVE, reason)


def _kept(live_versus_shipped: Comparison) -> Taken:
    return Taken.SHIPPED if live_versus_shipped.answer is Answer.WORSE else Taken.LIVE

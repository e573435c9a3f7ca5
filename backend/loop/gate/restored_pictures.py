"""The gate's decision on restored pictures: which share of the network's correction they are drawn with from now on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from backend.heads.restoration.share import SHIPPED_SHARE, CorrectionShare, JudgedPicture
from backend.loop.gate.decision import Decision, HeadOrigin, decide
from backend.loop.gate.evidence import as_evidence
from backend.loop.scores.accepted_shares import acceptance, compare_shares
from backend.loop.scores.comparison import ComparisonResult, compare

__all__ = ["decide_restored"]


def decide_restored(
    candidate: CorrectionShare | None,
    live: CorrectionShare | None,
    pictures: Sequence[JudgedPicture],
    *,
    galaxies: Mapping[int, str],
) -> tuple[Decision, dict[str, Any]] | None:
    """Decide between the share of the candidate, of the live version and the shipped one.

    Parameters
    ----------
    candidate, live : CorrectionShare or None
        None: the version draws pictures as shipped.
    pictures : sequence of JudgedPicture
        Verdicts on held-out tasks, which no share was chosen on.
    galaxies : mapping
        Task to the galaxy that it shows.

    Returns
    -------
    (Decision, dict) or None
        The decision and its evidence; None if neither version has a share of its own.
    """
    if candidate is None and live is None:
        return None
    shares = [head.share if head is not None else SHIPPED_SHARE for head in (candidate, live, None)]
    rates = [acceptance(pictures, share, galaxies) for share in shares]
    comparisons = tuple(
        compare([], []) if shares[first] == shares[second] else compare_shares(rates[first], rates[second])
        for first, second in ((0, 1), (0, 2), (1, 2))
    )
    versus_live, versus_shipped, live_versus_shipped = comparisons
    if candidate is None:
        live_is_worse = live_versus_shipped.answer is ComparisonResult.WORSE
        decision = Decision(HeadOrigin.SHIPPED if live_is_worse else HeadOrigin.LIVE, "has too few verdicts")
    elif shares[0] == shares[1]:
        decision = Decision(HeadOrigin.LIVE, "has the same share of the correction as the live one")
    else:
        more = live is not None and candidate.labels > live.labels
        decision = decide(versus_live, versus_shipped, live_versus_shipped, has_more_labels=more)
    evidence = as_evidence(decision, (versus_live, versus_shipped, live_versus_shipped), rates)
    names = ("candidate", "live", "shipped")
    return decision, evidence | {"by": "held-out tasks", "shares": dict(zip(names, shares, strict=True))}

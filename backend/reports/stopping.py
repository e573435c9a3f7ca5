"""Whether a team may stop to annotate: predictions no longer change from version to version, and more labels bring little.

References
----------
Bloodgood & Vijay-Shanker (2009), CoNLL, "A method for stopping active learning based on stabilizing predictions and the need
for user-adjustable stopping": kappa of at least 0.99 in three consecutive comparisons.
"""

from __future__ import annotations

from collections.abc import Sequence

from backend.reports.estimate import Estimate

__all__ = ["SMALLEST_USEFUL_GAIN", "may_stop"]

STABLE_AGREEMENT = 0.99
COMPARISONS = 3
SMALLEST_USEFUL_GAIN = 0.005
"""Gain of a score between 0 and 1 that the next 100 labels must be able to reach."""


def may_stop(changes: Sequence[Estimate | None], gain: Estimate | None) -> bool:
    """Return whether a team may stop to annotate.

    Parameters
    ----------
    changes : sequence of Estimate or None
        Agreement of each version with the version before it, the newest last: Cohen's kappa for classes, F1 for objects. None
        where it is unknown.
    gain : Estimate or None
        Forecast for the next labels; None if there is none.
    """
    newest = changes[-COMPARISONS:]
    stable = len(newest) == COMPARISONS and all(change is not None and change.value >= STABLE_AGREEMENT for change in newest)
    return stable and gain is not None and gain.high is not None and gain.high < SMALLEST_USEFUL_GAIN

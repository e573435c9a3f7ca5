"""The gate's decision on the share of the correction: held-out verdicts decide."""

from __future__ import annotations

import pytest

from backend.heads.restoration.share import CorrectionShare, JudgedPicture
from backend.loop.gate.decision import HeadOrigin
from backend.loop.gate.evidence import describe_decision
from backend.loop.gate.restored_pictures import decide_restored
from backend.registry.records import RESTORED_PICTURES

HALF, NONE = CorrectionShare(0.5, 40), CorrectionShare(0.0, 30)


def verdicts(**counts_by_name: tuple[int, int]) -> list[JudgedPicture]:
    """Return verdicts on pictures of other tasks: accepted and rejected ones for each share."""
    shares = {"full": 1.0, "half": 0.5, "none": 0.0}
    share_counts = [(shares[name], counts) for name, counts in counts_by_name.items()]
    answers = [(share, answer) for share, (yes, no) in share_counts for answer in [True] * yes + [False] * no]
    return [JudgedPicture(task, share, answer) for task, (share, answer) in enumerate(answers)]


@pytest.mark.parametrize(
    ("candidate", "live", "pictures", "origin"),
    [
        (HALF, None, verdicts(full=(2, 10), half=(11, 1)), HeadOrigin.CANDIDATE),
        (HALF, None, verdicts(full=(11, 1), half=(2, 10)), HeadOrigin.LIVE),
        (HALF, None, verdicts(full=(6, 6), half=(7, 5)), HeadOrigin.LIVE),
        (HALF, NONE, verdicts(full=(1, 11), half=(11, 1), none=(2, 10)), HeadOrigin.CANDIDATE),
        (HALF, CorrectionShare(0.5, 20), verdicts(full=(6, 6), half=(7, 5)), HeadOrigin.LIVE),
        (None, NONE, verdicts(full=(11, 1), none=(1, 11)), HeadOrigin.SHIPPED),
        (None, NONE, verdicts(full=(6, 6), none=(6, 6)), HeadOrigin.LIVE),
    ],
)
def test_the_share_that_is_accepted_more_often_goes_live(
    candidate: CorrectionShare | None, live: CorrectionShare | None, pictures: list[JudgedPicture], origin: HeadOrigin
) -> None:
    decision = decide_restored(candidate, live, pictures, galaxies={})
    assert decision is not None
    assert decision[0].origin is origin


def test_more_labels_and_a_likely_gain_suffice() -> None:
    pictures = verdicts(full=(3, 17), half=(11, 9), none=(6, 14))
    decision = decide_restored(HALF, NONE, pictures, galaxies={})
    assert decision is not None
    assert decision[0].reason == "was trained on more labels and is likely better"


def test_the_evidence_has_the_rates_and_the_interval() -> None:
    verdict = decide_restored(HALF, None, verdicts(full=(2, 10), half=(11, 1)), galaxies={})
    assert verdict is not None
    decision, evidence = verdict
    assert evidence["candidate"] == pytest.approx(11 / 12)
    assert evidence["live"] == evidence["shipped"] == pytest.approx(2 / 12)
    assert evidence["shares"] == {"candidate": 0.5, "live": 1.0, "shipped": 1.0}
    assert describe_decision(RESTORED_PICTURES, decision, evidence).startswith("restored pictures is better (+0.750, ")


def test_versions_without_a_share_are_not_compared() -> None:
    assert decide_restored(None, None, verdicts(full=(2, 10)), galaxies={}) is None

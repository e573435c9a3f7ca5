"""The share of the correction that annotators accept most often."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.heads.errors import HeadError, NotEnoughLabels
from backend.heads.restoration.share import CorrectionShare, JudgedPicture


def make_pictures(share: float, accepted_count: int, rejected_count: int) -> list[JudgedPicture]:
    return [JudgedPicture(0, share, answer) for answer in [True] * accepted_count + [False] * rejected_count]


def test_the_share_with_the_highest_rate_is_chosen() -> None:
    head = CorrectionShare.fit(make_pictures(1.0, 4, 6) + make_pictures(0.5, 7, 3) + make_pictures(0.0, 1, 9))
    assert head == CorrectionShare(0.5, labels=30)


def test_few_verdicts_weigh_less_than_many() -> None:
    assert CorrectionShare.fit(make_pictures(1.0, 38, 2) + make_pictures(0.5, 5, 0)).share == 1.0


def test_a_share_with_few_verdicts_is_not_chosen() -> None:
    assert CorrectionShare.fit(make_pictures(1.0, 2, 8) + make_pictures(0.5, 3, 7) + make_pictures(0.0, 4, 0)).share == 0.5


def test_one_share_alone_is_not_compared() -> None:
    with pytest.raises(NotEnoughLabels, match="restored pictures have 24 verdicts: 5 are needed for each of 2 shares"):
        CorrectionShare.fit(make_pictures(1.0, 10, 10) + make_pictures(0.5, 4, 0))


def test_a_stored_head_is_the_same(tmp_path: Path) -> None:
    CorrectionShare(0.5, 30).save(tmp_path)
    assert CorrectionShare.load(tmp_path) == CorrectionShare(0.5, 30)


def test_a_damaged_head_is_refused(tmp_path: Path) -> None:
    CorrectionShare(0.7, 30).save(tmp_path)
    with pytest.raises(HeadError, match=r"a share of 0\.7, which is none of 1\.0, 0\.5, 0\.0"):
        CorrectionShare.load(tmp_path)

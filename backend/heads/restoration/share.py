"""The share of the network's correction that annotators of a project accept most often, learned from their verdicts.

A verdict does not contain the true brightness of a pixel, so it cannot train the network. It states whether a restored picture
was accepted. Pictures of a project are drawn with several shares of the correction, chosen at random, and the share whose
pictures are accepted most often is the head of the project.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from backend.heads.errors import HeadError, NotEnoughLabels
from backend.heads.storage import read, write

__all__ = ["SHARES", "SHIPPED_SHARE", "CorrectionShare", "JudgedPicture"]

SHARES = (1.0, 0.5, 0.0)
"""Shares of the correction that pictures are drawn with; 0 is the Tikhonov filter alone."""
SHIPPED_SHARE = 1.0
LEAST_VERDICTS, LEAST_SHARES = 5, 2
"""Fewest verdicts of a share that is compared, and fewest shares with so many."""


@dataclass(frozen=True, slots=True)
class JudgedPicture:
    """The verdict of an annotator on a restored picture.

    Attributes
    ----------
    task : int
    share : float
        Share of the correction that the picture was drawn with.
    accepted : bool
        Whether the picture was judged better than the observed one.
    """

    task: int
    share: float
    accepted: bool


@dataclass(frozen=True, slots=True)
class CorrectionShare:
    """The learned share.

    Attributes
    ----------
    share : float
        One of `SHARES`.
    labels : int
        Number of verdicts that it was learned from.
    """

    share: float
    labels: int

    @classmethod
    def fit(cls, pictures: Sequence[JudgedPicture]) -> Self:
        """Choose the share with the largest expected rate of accepted pictures, under a uniform prior.

        Raises
        ------
        NotEnoughLabels
            If fewer than two shares have enough verdicts.
        """
        verdicts = {share: [picture.accepted for picture in pictures if picture.share == share] for share in SHARES}
        enough = {share: values for share, values in verdicts.items() if len(values) >= LEAST_VERDICTS}
        if len(enough) < LEAST_SHARES:
            raise NotEnoughLabels(
                f"restored pictures have {len(pictures)} verdicts: {LEAST_VERDICTS} are needed for each of {LEAST_SHARES} "
                "shares of the correction"
            )
        best = max(enough, key=lambda share: (sum(enough[share]) + 1) / (len(enough[share]) + 2))
        return cls(best, sum(map(len, enough.values())))

    def save(self, folder: Path) -> None:
        """Write the head into a folder."""
        write(folder, head="restored", fields={"share": self.share, "labels": self.labels})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a head.

        Raises
        ------
        HeadError
            If a file is missing or damaged.
        """
        record = read(folder, head="restored")
        share, labels = record.field("share", float), record.field("labels", int)
        if share not in SHARES:
            raise HeadError(f"the head in {folder} has a share of {share}, which is none of {', '.join(map(str, SHARES))}")
        return cls(share, labels)

"""The guide: the isophotes of a window, and the masks that prompts begin with before the network decodes.

A guided network begins with isophotes and always mends a guess; SAM's own begins with nothing, and mends its last mask. The
isophotes serve the rules of prompted masks (`rules.py`) for both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from backend.heads.segmentation.isophotes import Isophotes
from backend.heads.segmentation.network import SegmenterNetwork
from backend.heads.segmentation.simulated_clicks import Click
from backend.heads.segmentation.window_features import WindowFeatures

__all__ = ["Guide"]


@dataclass(frozen=True, slots=True)
class Guide:
    """Guesses on one window; places are on the decoder's grid, the middle of its first point is (0.5, 0.5)."""

    isophotes: Isophotes
    guided: bool

    @classmethod
    def of(cls, network: SegmenterNetwork, seen: WindowFeatures) -> Guide:
        """The guide of what was seen of a window."""
        return cls(Isophotes.of(seen[-1][0, -1].numpy()), network.guided)

    def clicked(self, clicks: Sequence[Click | None]) -> Tensor | None:
        """The object under each click, as logits, shape (n, points, points)."""
        if not self.guided:
            return None
        return torch.from_numpy(np.stack([self.isophotes.around(click[:2]) for click in clicks if click is not None]))

    def boxed(self, boxes: Tensor) -> Tensor | None:
        """The object in each box, as logits, shape (n, points, points); `boxes` has shape (n, 4)."""
        if not self.guided:
            return None
        return torch.from_numpy(np.stack([self.isophotes.within((*box,)) for box in boxes.tolist()]))

    def mended(self, masks: Tensor, clicks: Sequence[Sequence[Click | None]]) -> Tensor:
        """Masks, logits of shape (n, points, points), after clicks on what each has wrong."""
        if not self.guided:
            return masks
        mended = [
            self.isophotes.mended(mask, [click for click in asked if click is not None])
            for mask, asked in zip(masks.numpy(), clicks, strict=True)
        ]
        return torch.from_numpy(np.stack(mended))

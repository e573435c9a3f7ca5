"""First guesses: the masks from which the decoder starts, from the isophotes of a window.

The shipped network refines isophotes; the network of SAM starts without a mask and refines its previous mask. The rules of
prompted masks (`rules.py`) use isophotes for both networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backend.heads.segmentation.isophotes import Isophotes
from backend.heads.segmentation.network import SegmenterNetwork
from backend.heads.segmentation.refine import refine_guess
from backend.heads.segmentation.window_features import WindowFeatures

__all__ = ["FirstGuess"]


@dataclass(frozen=True, slots=True)
class FirstGuess:
    """First guesses in one window, for a network that needs them; points are spots on the decoder's grid.

    Attributes
    ----------
    isophotes : Isophotes
    needed : bool
        Whether the network starts from first guesses.
    pixels : Tensor, shape (light, points, points)
        The last map of the features: of the shipped encoder, square roots of the colours, and the light.
    """

    isophotes: Isophotes
    needed: bool
    pixels: Tensor

    @classmethod
    def of(cls, network: SegmenterNetwork, features: WindowFeatures) -> FirstGuess:
        """Compute the isophotes from the features of a window, whose last map is the light."""
        pixels = features[-1][0]
        return cls(Isophotes.of(pixels[-1].numpy()), network.uses_first_guess, pixels)

    def from_clicks(self, points: NDArray[np.float64]) -> Tensor | None:
        """Return logits of the object under each click, shape (n, points, points); clicks have the shape (n, 2)."""
        if not self.needed:
            return None
        return torch.from_numpy(np.stack([self.isophotes.guess_from_click((x, y)) for x, y in points.tolist()]))

    def from_boxes(self, boxes: Tensor) -> Tensor | None:
        """Return logits of the object in each box, shape (n, points, points); boxes have the shape (n, 4)."""
        if not self.needed:
            return None
        return torch.from_numpy(np.stack([self.isophotes.guess_from_box((*box,)) for box in boxes.tolist()]))

    def refine(self, masks: Tensor, points: Sequence[NDArray[np.float64]], positive: Sequence[NDArray[np.bool_]]) -> Tensor:
        """Refine masks, logits of shape (n, points, points), with the clicks on each: points, shape (k, 2), and their signs."""
        if not self.needed:
            return masks
        masks_and_guesses = [
            refine_guess(self.isophotes, *mask_and_clicks)
            for mask_and_clicks in zip(masks.numpy(), points, positive, strict=True)
        ]
        return torch.from_numpy(np.stack(masks_and_guesses))

"""The network that fuses the candidate masks of a first click into one: a small U-Net on a crop around the click.

The decoder chooses one of its candidates by their expected overlaps. In a blend the best one is often another, and parts of
several are better than each of them. This network weights the candidates and the first guess in each cell, and adds a
correction.

References
----------
Ronneberger, Fischer & Brox (2015), U-Net, MICCAI.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from backend.heads.segmentation.fusion_inputs import CHANNELS, MASKS, QUALITY, FusionInputs

__all__ = ["FusionNetwork", "fuse", "fuse_logits"]

WIDTHS = 12, 20, 32
"""Channels at the three resolutions."""
COUNT = MASKS.stop - MASKS.start
QUALITY_FACTOR, GUESS_MARGIN = 20.0, 2.0
"""Before the training, weights are the softmax of this factor times the expected overlaps. The first guess counts as the best
candidate, less this margin."""
CORRECTION_SCALE = 3.0


class FusionNetwork(nn.Module):
    """Weights of five masks and a correction in each cell, and the expected overlap of the result."""

    def __init__(self) -> None:
        super().__init__()
        fine, middle, coarse = WIDTHS
        self.fine_in = _convolutions(CHANNELS, fine, fine)
        self.middle_in = _convolutions(fine, middle, middle)
        self.coarse = _convolutions(middle, coarse, coarse)
        self.middle_out = _convolutions(coarse + middle, middle)
        self.fine_out = _convolutions(middle + fine, fine)
        self.last = nn.Conv2d(fine, COUNT + 1, kernel_size=1)
        self.quality = nn.Linear(coarse, 1)
        self.factor = nn.Parameter(torch.tensor([QUALITY_FACTOR]))
        for weights in self.last.parameters():
            nn.init.zeros_(weights)

    def forward(self, cells: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the maps of crops, shape (b, CHANNELS, c, c): (b, 6, c, c), and the expected overlaps, shape (b,).

        The first five maps are logarithms of the weights of the masks, the sixth is the correction.
        """
        fine = self.fine_in(cells)
        middle = self.middle_in(functional.max_pool2d(fine, 2))
        coarse = self.coarse(functional.max_pool2d(middle, 2))
        middle = self.middle_out(torch.cat([functional.interpolate(coarse, scale_factor=2.0), middle], dim=1))
        fine = self.fine_out(torch.cat([functional.interpolate(middle, scale_factor=2.0), fine], dim=1))
        maps = self.last(fine)
        expected = self.factor * cells[:, QUALITY, :1, :1]
        prior = torch.cat([expected, expected.amax(dim=1, keepdim=True) - GUESS_MARGIN], dim=1)
        maps = torch.cat([maps[:, :COUNT] + prior, CORRECTION_SCALE * maps[:, COUNT:]], dim=1)
        return maps, self.quality(coarse.mean(dim=(2, 3)))[:, 0]


def _convolutions(*channels: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in pairwise(channels):
        layers += [nn.Conv2d(before, after, kernel_size=3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers)


def fuse_logits(maps: Tensor, masks: Tensor) -> Tensor:
    """Return the logits of the fused masks, shape (b, h, w), from maps, shape (b, 6, h, w), and logits, shape (b, 5, h, w)."""
    logits: Tensor = (maps[:, :COUNT].softmax(dim=1) * masks).sum(dim=1) + maps[:, COUNT]
    return logits


@torch.no_grad()
def fuse(network: FusionNetwork, inputs: FusionInputs) -> tuple[Tensor, float]:
    """Return the logits of the mask of a click on the decoder's grid, shape (n, n), and its expected overlap, 0 to 1."""
    maps, quality = network(inputs.cells[None])
    return fuse_logits(inputs.crop.enlarge(maps[0])[None], inputs.masks[None])[0], float(quality.clamp(0, 1))

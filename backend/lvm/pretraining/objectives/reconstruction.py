"""Reconstruction: a masked and noisy image is rebuilt through the decoder, the objective of Fu et al. (2024).

It is the way to restoration. The image is corrupted first, since a clean one can be copied without being understood.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from backend.lvm.decoder import Decoder

__all__ = ["Reconstruction", "corrupt"]

BLOCK_PX = 16
"""Side of a masked block."""
MASKED = (0.1, 0.6)
"""Share of the blocks that are masked, drawn for each image."""
NOISE = 0.08
"""Largest standard deviation of the added noise, brightness."""


def corrupt(views: Tensor) -> Tensor:
    """Replace blocks by pure noise and add noise to the rest.

    Noise, not black: black is what empty sky looks like, and the encoder must be able to tell what is missing.

    Parameters
    ----------
    views : Tensor, shape (n, 3, height, width)
        Brightness in [0, 1].

    Returns
    -------
    Tensor, of the same shape
    """
    n, _, height, width = views.shape
    device = views.device
    share = torch.empty(n, 1, 1, 1, device=device).uniform_(*MASKED)
    blocks = (torch.rand(n, 1, -(-height // BLOCK_PX), -(-width // BLOCK_PX), device=device) < share).float()
    masked = functional.interpolate(blocks, scale_factor=BLOCK_PX)[..., :height, :width]
    noisy = views + torch.randn_like(views) * torch.empty(n, 1, 1, 1, device=device).uniform_(0, NOISE)
    return torch.where(masked > 0, torch.rand_like(views), noisy).clamp(0, 1)


class Reconstruction(nn.Module):
    """Mean absolute difference between the rebuilt and the clean image, in square roots of brightness.

    Parameters
    ----------
    decoder : Decoder
    """

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, pyramid: tuple[Tensor, ...], clean: Tensor) -> Tensor:
        """Loss of the pyramids of corrupted images against the clean ones, shape (n, 3, height, width)."""
        return functional.l1_loss(self.decoder(pyramid).float(), clean.clamp(min=0).sqrt())

"""Reconstruction: the decoder reconstructs a masked and noisy image, the objective of Fu et al. (2024).

The image is corrupted because a clean one could be copied without useful features.
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
"""Range of the fraction of masked blocks, drawn for each image."""
NOISE = 0.08
"""Largest standard deviation of the added noise, brightness."""


def corrupt(views: Tensor) -> Tensor:
    """Replace random blocks with uniform noise and add Gaussian noise to the rest.

    Masked blocks are not black, since black blocks could not be distinguished from empty sky.

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
    mask = functional.interpolate(blocks, scale_factor=BLOCK_PX)[..., :height, :width]
    noisy = views + torch.randn_like(views) * torch.empty(n, 1, 1, 1, device=device).uniform_(0, NOISE)
    return torch.where(mask > 0, torch.rand_like(views), noisy).clamp(0, 1)


class Reconstruction(nn.Module):
    """Mean absolute difference between the square roots of the brightness of the reconstructed and the clean image.

    Parameters
    ----------
    decoder : Decoder
    """

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, pyramid: tuple[Tensor, ...], clean: Tensor) -> Tensor:
        """Compute the loss of the pyramids of corrupted images, given the clean images, shape (n, 3, height, width)."""
        return functional.l1_loss(self.decoder(pyramid).float(), clean.clamp(min=0).sqrt())

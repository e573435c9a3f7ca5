"""Annular pooling: the mean of a feature map in rings around its centre.

A global mean forgets where a feature lies. In a crop that is centred on a galaxy, the distance from the centre distinguishes
bulge, bar, arms and surroundings, and is the same for all orientations.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["pool_annuli"]


def pool_annuli(level: Tensor, count: int) -> Tensor:
    """Pool a feature map in annuli of equal width, from the centre to the middle of each side.

    Parameters
    ----------
    level : Tensor, shape (n, channels, side, side)
    count : int
        Number of annuli; each contains the centre of a cell.

    Returns
    -------
    Tensor, shape (n, count * channels)
        Means over the annuli, the innermost first.
    """
    side = level.shape[-1]
    offsets = (torch.arange(side) + 0.5) / side * 2 - 1
    annulus = (torch.hypot(offsets[:, None], offsets) * count).long().flatten()
    members = torch.nn.functional.one_hot(annulus, int(annulus.max()) + 1)[:, :count].float()
    means = level.flatten(2) @ (members / members.sum(dim=0))
    return means.transpose(1, 2).flatten(1)

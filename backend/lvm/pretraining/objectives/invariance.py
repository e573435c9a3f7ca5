"""Invariance: two augmented views of a galaxy get similar embeddings (LeJEPA).

The loss reduces the distance between the projections of both views and regularises their distribution towards an isotropic
Gaussian, which prevents collapse without a momentum encoder and without negative pairs (Balestriero & LeCun 2025,
arXiv:2511.08544, equation 8).
"""

from __future__ import annotations

from lightly.loss.lejepa_loss import SIGReg, lejepa_invariance_loss
from torch import Tensor, nn

__all__ = ["Invariance"]

HIDDEN = 1024
PROJECTED = 64
SLICES = 256
GAUSSIAN_WEIGHT = 0.05
"""Weight of the Gaussian regularisation relative to the invariance term, lambda in the paper."""


class Invariance(nn.Module):
    """LeJEPA's loss on the embeddings of two views.

    Parameters
    ----------
    dimension : int
        Length of an embedding.
    """

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.projector = nn.Sequential(
            nn.Linear(dimension, HIDDEN), nn.BatchNorm1d(HIDDEN), nn.GELU(), nn.Linear(HIDDEN, PROJECTED, bias=False)
        )
        self.gaussian = SIGReg(num_vectors=SLICES)

    def forward(self, embeddings: Tensor) -> Tensor:
        """Compute the loss of embeddings, shape (2, n, dimension), of both views of n galaxies."""
        projections = self.projector(embeddings.flatten(0, 1)).unflatten(0, embeddings.shape[:2])
        pull = lejepa_invariance_loss(all_proj=projections, global_proj=projections)
        loss: Tensor = GAUSSIAN_WEIGHT * self.gaussian(projections) + (1 - GAUSSIAN_WEIGHT) * pull
        return loss

"""Retention: the embedding still holds the features of the network that the training started from.

A linear map of the embedding predicts the whitened embedding of a frozen copy of the start network on the same view. The
training may then add features of galaxies, but not lose the general ones, which few votes do not need and other questions do
(learning without forgetting: Li & Hoiem 2016, arXiv:1606.09282; whitened features as targets: Wei et al. 2022,
arXiv:2205.14141).
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from typing import Self

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from backend.lvm.batch_norm_fusion import fuse_batch_norm
from backend.lvm.encoder import Encoder, EncoderConfig

__all__ = ["Retention"]

COMPONENTS = 128
"""Largest number of principal components of the start network's embedding that are predicted."""
LEAST_VARIANCE = 1e-4
"""Variance of a component, as a fraction of that of the first, below which its whitened values are noise."""


class Retention(nn.Module):
    """Mean squared error of the predicted components; 1 is the error of predicting their mean.

    Parameters
    ----------
    network : EncoderConfig
        Shape of the start network, which is also that of the trained one.
    """

    mean: Tensor
    whitening: Tensor

    def __init__(self, network: EncoderConfig) -> None:
        super().__init__()
        self.start = Encoder(network).eval().requires_grad_(False)
        fuse_batch_norm(self.start)
        components = min(COMPONENTS, network.dimension)
        self.predict = nn.Linear(network.dimension, components)
        self.register_buffer("mean", torch.zeros(network.dimension))
        self.register_buffer("whitening", torch.zeros(network.dimension, components))

    @torch.no_grad()
    def remember(self, encoder: Encoder, batches: Iterable[Tensor], *, recalibrates: bool = True) -> None:
        """Keep a frozen copy of an encoder, whiten its embeddings, and start with the map that is right for them.

        Parameters
        ----------
        encoder : Encoder
        batches : iterable of Tensor, shapes (n, 3, side, side)
            Images like those of the training, brightness in [0, 1].
        recalibrates : bool
            Whether batch normalisation gets the statistics of the images, as in a training that does not freeze them.
        """
        copy = deepcopy(encoder).requires_grad_(False)
        images = list(batches)
        # In training, batch normalisation has the statistics of these images, not those of the start network's own training.
        if recalibrates:
            update_bn(images, copy)
        fuse_batch_norm(copy.eval())
        self.start.load_state_dict(copy.state_dict())
        embeddings = torch.cat([self.start(batch).float() for batch in images])
        self.mean.copy_(embeddings.mean(dim=0))
        _, scales, axes = torch.linalg.svd(embeddings - self.mean, full_matrices=False)
        count = min(self.whitening.shape[1], int((scales**2 > LEAST_VARIANCE * scales[0] ** 2).sum()))
        self.whitening.zero_()
        self.whitening[:, :count] = axes[:count].T * (len(embeddings) ** 0.5 / scales[:count])
        # The map that is right for the start network: otherwise features are lost while the map is learnt.
        self.predict.weight.copy_(self.whitening.T)
        self.predict.bias.copy_(-self.mean @ self.whitening)

    def train(self, mode: bool = True) -> Self:
        """Set the mode of the linear map; the start network is always in the mode of inference."""
        super().train(mode)
        self.start.eval()
        return self

    def forward(self, embeddings: Tensor, views: Tensor) -> Tensor:
        """Compute the loss of embeddings, shape (n, dimension), of views, shape (n, 3, side, side)."""
        with torch.no_grad():
            components = (self.start(views).float() - self.mean) @ self.whitening
        return nn.functional.mse_loss(self.predict(embeddings), components)

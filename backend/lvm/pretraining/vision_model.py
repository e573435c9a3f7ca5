"""The large vision model during pre-training: one encoder, one decoder, and the objectives that share them.

With the objective `reconstruction`, the first view of a galaxy is corrupted; the other objectives use the corrupted view as
well, so that reconstruction needs no further pass of the encoder.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from backend.lvm.decoder import Decoder
from backend.lvm.encoder import Encoder, EncoderConfig
from backend.lvm.pretraining.dataset import PretrainDataset
from backend.lvm.pretraining.objectives.invariance import Invariance
from backend.lvm.pretraining.objectives.reconstruction import Reconstruction, corrupt
from backend.lvm.pretraining.objectives.retention import Retention
from backend.lvm.pretraining.objectives.votes import Votes

__all__ = ["OBJECTIVES", "VisionModel"]

OBJECTIVES = {"invariance": 1.0, "reconstruction": 2.0, "retention": 4.0, "votes": 1.0}
"""Weight of each objective in the total loss, chosen so that no objective dominates."""
DROP_PATH = 0.05


class VisionModel(nn.Module):
    """Encoder, decoder and objectives.

    Parameters
    ----------
    network : EncoderConfig
    objectives : tuple of str
        Names in `OBJECTIVES`.
    dataset : PretrainDataset
        Its votes determine the questions and weights of the objective `votes`.
    projects_votes : bool
        Whether a hidden layer lies between the embedding and the votes.
    """

    def __init__(
        self,
        network: EncoderConfig,
        *,
        objectives: tuple[str, ...],
        dataset: PretrainDataset,
        projects_votes: bool = False,
    ) -> None:
        super().__init__()
        self.encoder = Encoder(network, drop_path=DROP_PATH)
        self.decoder = Decoder(network)
        self.decoder.requires_grad_("reconstruction" in objectives)
        self.objectives = nn.ModuleDict()
        for name in objectives:
            match name:
                case "invariance":
                    self.objectives[name] = Invariance(network.dimension)
                case "reconstruction":
                    self.objectives[name] = Reconstruction(self.decoder)
                case "retention":
                    self.objectives[name] = Retention(network)
                case "votes":
                    shares = dataset.votes.mean(dim=0)
                    self.objectives[name] = Votes(network.dimension, dataset.answers, shares, projects=projects_votes)
                case _:
                    raise ValueError(f"unknown objective {name!r}: choose from {', '.join(OBJECTIVES)}")

    def forward(self, views: Tensor, votes: Tensor) -> dict[str, Tensor]:
        """Compute the loss of each objective.

        Parameters
        ----------
        views : Tensor, shape (2, n, 3, side, side)
            Two views of n galaxies.
        votes : Tensor, shape (n, number of answers)
            Shares of volunteers; rows of zeros have none.
        """
        rebuilds = "reconstruction" in self.objectives
        # Two passes: in one pass, batch normalisation would mix the statistics of corrupted and clean views.
        pyramid = self.encoder.pyramid(corrupt(views[0]) if rebuilds else views[0])
        embeddings = torch.stack([self.encoder.pool(pyramid), self.encoder(views[1])]).float()
        losses: dict[str, Tensor] = {}
        for name, objective in self.objectives.items():
            match name:
                case "reconstruction":
                    losses[name] = objective(pyramid, views[0])
                case "retention":
                    losses[name] = objective(embeddings[1], views[1])
                case "votes":
                    losses[name] = objective(embeddings, votes)
                case _:
                    losses[name] = objective(embeddings)
        return losses

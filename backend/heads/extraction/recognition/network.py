"""The network that recognises candidates, from the profile of each and a summary of the whole image.

The summary is a mean of the candidates' features with learned weights. It tells the network how wide the point spread
function of the image is, and what its noise looks like.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from backend.heads.extraction.recognition.profiles import PROFILE_LENGTH

__all__ = ["KINDS", "RecognitionNetwork"]

KINDS = ("galaxy", "star", "fragment")
"""The kinds of candidates; noise counts as fragment."""
FEATURES, SUMMARY = 128, 48


class RecognitionNetwork(nn.Module):
    """Predicts the kind of each candidate of images.

    Attributes
    ----------
    mean, scale : Tensor, shape (PROFILE_LENGTH,)
        With which profiles are standardised.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(PROFILE_LENGTH))
        self.register_buffer("scale", torch.ones(PROFILE_LENGTH))
        self.features = nn.Sequential(nn.Linear(PROFILE_LENGTH, FEATURES), nn.ReLU(), nn.Linear(FEATURES, FEATURES), nn.ReLU())
        self.attention = nn.Linear(FEATURES, SUMMARY)
        self.summary = nn.Linear(FEATURES, SUMMARY)
        self.kinds = nn.Sequential(
            nn.Dropout(0.1),
            nn.Linear(FEATURES + SUMMARY, FEATURES),
            nn.ReLU(),
            nn.Linear(FEATURES, FEATURES // 2),
            nn.ReLU(),
            nn.Linear(FEATURES // 2, len(KINDS)),
        )

    def standardise(self, profiles: Tensor) -> None:
        """Set mean and scale to those of training profiles, shape (n, PROFILE_LENGTH)."""
        self.mean, self.scale = profiles.mean(dim=0), profiles.std(dim=0).clamp(min=1e-2)

    def forward(self, profiles: Tensor, images: Tensor, count: int) -> Tensor:
        """Return the logits of `KINDS`, shape (n, 3).

        Parameters
        ----------
        profiles : Tensor, shape (n, PROFILE_LENGTH)
        images : Tensor of int64, shape (n,)
            Index of the image of each candidate.
        count : int
            Number of images.
        """
        features = self.features((profiles - self.mean) / self.scale)
        weights = torch.exp(self.attention(features).clamp(-8, 8))
        zeros = torch.zeros(count, SUMMARY)
        total = zeros.index_add(0, images, weights)
        summary = zeros.index_add(0, images, weights * self.summary(features)) / total.clamp(min=1e-6)
        return cast(Tensor, self.kinds(torch.cat([features, summary[images]], dim=1)))

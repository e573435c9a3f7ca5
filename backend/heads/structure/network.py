"""The amortised network: an image, its noise and its PSF give the mean and covariance of the parameters in one pass.

It minimises the negative logarithm of the posterior density of the true parameters of simulated galaxies (Cranmer, Brehmer &
Louppe 2020, PNAS 117, 30055), so its errors are those of a Bayesian estimate with the simulations' distribution as prior.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from backend.heads import storage
from backend.heads.network_weights import arrays_of, restore, round_weights
from backend.heads.structure.network_inputs import CHANNELS, NUMBERS, OUTPUTS, Inputs

__all__ = ["AmortisedPosterior", "PosteriorNetwork", "negative_log_density"]

NAME = "structure"
STAGES = ((24, 0), (48, 1), (96, 2))
"""Width and number of residual layers of each stage; a stage halves the image."""
POOLED_PX = 4
HIDDEN = 256
ROWS, COLUMNS = torch.tril_indices(OUTPUTS, OUTPUTS)


class PosteriorNetwork(nn.Module):
    """Convolutions of the image, and dense layers that also receive the numbers."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = CHANNELS
        for width, depth in STAGES:
            reach = 2 if before == CHANNELS else 1
            layers += [nn.Conv2d(before, width, 2 * reach + 1, stride=2, padding=reach), nn.GELU()]
            layers += [_Residual(width) for _ in range(depth)]
            before = width
        self.convolutions = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(POOLED_PX), nn.Flatten())
        self.first = nn.Linear(before * POOLED_PX**2 + NUMBERS, HIDDEN)
        self.second = nn.Linear(HIDDEN + NUMBERS, HIDDEN)
        self.last = nn.Linear(HIDDEN, OUTPUTS + len(ROWS))

    def forward(self, images: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Return means (n, 8), and the lower triangular roots (n, 8, 8) of the inverse covariances."""
        # Half the time of a step; answers are computed with all digits.
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.training):
            pooled_features = self.convolutions(images)
        features = torch.cat((pooled_features.float(), numbers), 1)
        activations = nn.functional.gelu(self.first(features))
        activations = activations + nn.functional.gelu(self.second(torch.cat((activations, numbers), 1)))
        values = self.last(activations)
        root = values.new_zeros(len(values), OUTPUTS, OUTPUTS)
        root[:, ROWS, COLUMNS] = values[:, OUTPUTS:]
        diagonal = torch.diagonal(root, dim1=1, dim2=2)
        return values[:, :OUTPUTS], root.tril(-1) + torch.diag_embed(torch.exp(diagonal.clamp(-6, 9)))


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        result: Tensor = features + nn.functional.gelu(self.convolution(features))
        return result


def negative_log_density(means: Tensor, roots: Tensor, true: Tensor) -> Tensor:
    """Return minus the logarithm of the posterior density at the true outputs, shape (n,), without its constant."""
    standard = (roots.mT @ (true - means)[..., None])[..., 0]
    return (standard**2).sum(1) / 2 - torch.log(torch.diagonal(roots, dim1=1, dim2=2)).sum(1)


@dataclass(frozen=True, slots=True, eq=False)
class AmortisedPosterior:
    """A trained network.

    Attributes
    ----------
    network : PosteriorNetwork
    temperatures : ndarray, shape (8,)
        Factors of the standard deviations, fitted on simulations for validation.
    """

    network: PosteriorNetwork
    temperatures: NDArray[np.float64]

    @classmethod
    def of(cls, network: PosteriorNetwork, temperatures: NDArray[np.float64]) -> Self:
        """Round the weights to the precision in which they are stored, and freeze them."""
        return cls(round_weights(network), temperatures)

    def predict(self, inputs: Sequence[Inputs]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return means (n, 8) and covariances (n, 8, 8) of the outputs of `outputs_of`."""
        images = torch.from_numpy(np.stack([item.image for item in inputs]))
        numbers = torch.from_numpy(np.stack([item.numbers for item in inputs]))
        with torch.inference_mode():
            means, roots = self.network(images, numbers)
        inverse = np.linalg.inv(roots.double().numpy())
        covariances = inverse.transpose(0, 2, 1) @ inverse
        return means.double().numpy(), covariances * np.outer(self.temperatures, self.temperatures)

    def save(self, folder: Path) -> None:
        """Write JSON and safetensors into `folder`."""
        fields = {"temperatures": [round(float(value), 4) for value in self.temperatures]}
        storage.write(folder, head=NAME, fields=fields, arrays=arrays_of(self.network))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; raise HeadError if files are missing or damaged."""
        record = storage.read(folder, head=NAME)
        temperatures = np.asarray(record.field("temperatures", list), float)
        return cls(restore(PosteriorNetwork(), record), temperatures)

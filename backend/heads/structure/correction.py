"""Correction of the best fit: the expected value and the error of each quantity, learned from fits of simulated galaxies.

The best fit of a faint galaxy is biased (noise elongates it and lowers its index), and the curvature of chi-squared describes
its errors only near the best fit. A small network receives what the fit says of itself (parameters, their covariance,
signal-to-noise ratio, chi-squared; nothing of the mask, which differs between annotators). It returns shifts in units of the
errors, and factors of the errors. Both are limited, and small where the errors are small: the correction of a bright galaxy is
a part of a small error.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from backend.heads import storage
from backend.heads.network_weights import arrays_of, restore, round_weights
from backend.heads.structure.measurement import Measured
from backend.heads.structure.parameters import FLUX, INDEX, RADIUS, SHAPE, SKY
from backend.heads.structure.psf import Psf

__all__ = [
    "CORRECTED",
    "FEATURES",
    "SHIFTED",
    "WEIGHTS",
    "Correction",
    "CorrectionNetwork",
    "apply_shift",
    "features_of",
    "open_correction",
]

NAME = "structure-correction"
WEIGHTS = Path(__file__).parents[1] / "weights" / "structure_correction"
SHIFTED = ("re_px", "sersic_n", "axis_ratio", "flux")
"""Quantities whose value is corrected: those with a bias."""
CORRECTED = (*SHIFTED, "x", "y", "position_angle_deg", "sky")
"""Quantities whose error is corrected."""
FEATURES = 17
HIDDEN = 32
LARGEST_SHIFT = 3.0
"""Largest shift, in errors."""
LARGEST_LOG_FACTOR = 1.5
"""Largest logarithm of a factor of an error."""
LOG_SIGNAL, LOG_SCATTER = 5, 6
"""Places of the logarithms of the signal-to-noise ratio and of the reduced chi-squared in the features."""
FAINT, SMOOTH = (30.0, 60.0), (1.3, 1.8)
"""Signal-to-noise ratio and reduced chi-squared between which the correction fades: a bright fit needs none, and simulations
have no galaxies whose structure the model lacks."""
FLATTEST, ROUNDEST = 0.02, 1.0


def features_of(
    parameters: NDArray[np.float64], covariance: NDArray[np.float64], *, psf: Psf, scatter: float, signal: float
) -> NDArray[np.float64]:
    """Return the inputs of the correction for a fit, shape (`FEATURES`,); they do not change when the galaxy is turned.

    Parameters
    ----------
    parameters : ndarray, shape (8,)
    covariance : ndarray, shape (8, 8)
    psf : Psf
    scatter : float
        Reduced chi-squared in the pixels of the galaxy.
    signal : float
        Signal-to-noise ratio of the light of the model.
    """
    size = math.hypot(*parameters[SHAPE])
    radial = parameters[SHAPE] / max(size, 1e-6)
    shape = covariance[SHAPE, SHAPE]
    deviations = np.sqrt(np.diag(covariance).clip(1e-12))
    relative_flux = deviations[FLUX] / max(parameters[FLUX], 1e-6)
    correlation = covariance / np.outer(deviations, deviations)
    radius, width = parameters[RADIUS], math.log(psf.fwhm_px)
    values = (
        radius - width,
        radius,
        width,
        size,
        parameters[INDEX],
        math.log(max(signal, 0.1)),
        math.log(max(scatter, 1e-3)),
        math.log(deviations[RADIUS]),
        math.log(max(float(radial @ shape @ radial), 1e-12)) / 2,
        math.log(max(float(np.trace(shape)), 1e-12)) / 2,
        math.log(deviations[INDEX]),
        math.log(max(relative_flux, 1e-6)),
        math.log(max(float(covariance[0, 0] + covariance[1, 1]), 1e-12)) / 2,
        correlation[RADIUS, INDEX],
        correlation[RADIUS, FLUX],
        correlation[INDEX, FLUX],
        correlation[SKY, FLUX],
    )
    return np.nan_to_num(np.asarray(values, np.float64), posinf=20.0, neginf=-20.0)


class CorrectionNetwork(nn.Module):
    """Dense layers; inputs are standardised and limited to the range of the training.

    Attributes
    ----------
    mean, deviation : Tensor, shape (`FEATURES`,)
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(FEATURES))
        self.register_buffer("deviation", torch.ones(FEATURES))
        self.layers = nn.Sequential(
            nn.Linear(FEATURES, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, HIDDEN), nn.GELU()
        )
        self.last = nn.Linear(HIDDEN, len(SHIFTED) + len(CORRECTED))
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return shifts in errors, shape (n, 4), and logarithms of the factors of errors, shape (n, 8)."""
        values = self.last(self.layers(((features - self.mean) / self.deviation).clamp(-3, 3)))
        shifts, factors = values[:, : len(SHIFTED)], values[:, len(SHIFTED) :]
        faint = _falling(features[:, LOG_SIGNAL, None], *FAINT)
        smooth = _falling(features[:, LOG_SCATTER, None], *SMOOTH)
        return (
            faint * smooth * LARGEST_SHIFT * torch.tanh(shifts / LARGEST_SHIFT),
            smooth * LARGEST_LOG_FACTOR * torch.tanh(factors / LARGEST_LOG_FACTOR),
        )


def _falling(logarithm: Tensor, begin: float, end: float) -> Tensor:
    """Return 1 up to `begin`, 0 from `end` on."""
    return ((math.log(end) - logarithm) / math.log(end / begin)).clamp(0, 1)


def apply_shift(name: str, value: Tensor, error: Tensor, shift: Tensor) -> Tensor:
    """Return the corrected value of a quantity: positive, and an axis ratio of at most 1."""
    if name == "axis_ratio":
        return (value + error * shift).clamp(FLATTEST, ROUNDEST)
    return value * torch.exp((error / value).clamp(max=0.7) * shift)


@dataclass(frozen=True, slots=True, eq=False)
class Correction:
    """A trained correction."""

    network: CorrectionNetwork

    @classmethod
    def of(cls, network: CorrectionNetwork) -> Self:
        """Round the weights to the precision in which they are stored, and freeze them."""
        return cls(round_weights(network))

    def correct(self, quantities: Mapping[str, Measured], features: NDArray[np.float64]) -> dict[str, Measured]:
        """Return the quantities of a fit with corrected values and errors."""
        with torch.inference_mode():
            shifts, factors = self.network(torch.from_numpy(features).float()[None])
        answers = dict(quantities)
        for place, name in enumerate(CORRECTED):
            value, error = quantities[name].value, quantities[name].error
            if error is None:
                continue
            if name in SHIFTED:
                value = float(apply_shift(name, torch.tensor(value), torch.tensor(error), shifts[0, place]))
            answers[name] = Measured(value, error * math.exp(float(factors[0, place])))
        return answers

    def save(self, folder: Path) -> None:
        """Write JSON and safetensors into `folder`."""
        storage.write(folder, head=NAME, fields={}, arrays=arrays_of(self.network))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; raise HeadError if files are missing or damaged."""
        return cls(restore(CorrectionNetwork(), storage.read(folder, head=NAME)))


@cache
def open_correction(folder: Path = WEIGHTS) -> Correction:
    """Open the correction, once per process; raise HeadError if it is damaged."""
    return Correction.load(folder)

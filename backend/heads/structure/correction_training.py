"""Training of the correction: fits of simulated galaxies, and the losses of values and of errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backend.heads.structure.batches import fit_uncorrected
from backend.heads.structure.correction import CORRECTED, SHIFTED, CorrectionNetwork, apply_shift
from backend.heads.structure.parameters import to_quantities
from backend.heads.structure.simulation import Simulated
from backend.heads.structure.training import prepare_simulated

__all__ = ["FitRecord", "record_fits", "train_correction"]

ONE_SIGMA = 0.6827
ROBUST = 1.5
"""Distance from the true value, in errors, above which a galaxy pulls with constant force."""
RATE, WEIGHT_DECAY, BATCH = 2e-3, 0.1, 512


@dataclass(frozen=True, slots=True, eq=False)
class FitRecord:
    """Fits of n simulated galaxies; columns of values, errors and true values are the quantities of `CORRECTED`.

    Attributes
    ----------
    features : ndarray, shape (n, `FEATURES`)
    values, errors, true : ndarray, shape (n, 8)
    signal_to_noise : ndarray, shape (n,)
        Of the simulation.
    """

    features: NDArray[np.float64]
    values: NDArray[np.float64]
    errors: NDArray[np.float64]
    true: NDArray[np.float64]
    signal_to_noise: NDArray[np.float64]

    @classmethod
    def join(cls, records: Sequence[Self]) -> Self:
        """Return the galaxies of several records as one."""
        return cls(*(np.concatenate([getattr(record, field.name) for record in records]) for field in fields(cls)))


def record_fits(galaxies: Sequence[Simulated]) -> FitRecord:
    """Fit simulated galaxies; those that cannot be measured are left out."""
    pairs = [(galaxy, preparation) for galaxy in galaxies for preparation in prepare_simulated([galaxy])]
    fits = fit_uncorrected([preparation for _, (preparation, _) in pairs])
    rows = [(fit, own, galaxy.signal_to_noise) for fit, (galaxy, (_, own)) in zip(fits, pairs, strict=True) if not fit.problem]
    true = to_quantities(np.stack([own for _, own, _ in rows]))
    return FitRecord(
        np.stack([fit.features for fit, _, _ in rows]),
        np.array([[fit.quantities[name].value for name in CORRECTED] for fit, _, _ in rows]),
        np.array([[fit.quantities[name].error for name in CORRECTED] for fit, _, _ in rows], np.float64),
        np.stack([true[name] for name in CORRECTED], axis=1),
        np.array([signal for _, _, signal in rows]),
    )


def train_correction(record: FitRecord, *, steps: int, seed: int = 0) -> CorrectionNetwork:
    """Train a correction on fits of simulated galaxies.

    Parameters
    ----------
    record : FitRecord
    steps : int
    seed : int
    """
    torch.manual_seed(seed)
    features, values, errors, true = (
        torch.from_numpy(array).float() for array in (record.features, record.values, record.errors, record.true)
    )
    network = CorrectionNetwork()
    network.mean.copy_(features.mean(0))
    network.deviation.copy_(features.std(0).clamp(min=1e-3))
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=WEIGHT_DECAY)
    rates = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    order = np.random.default_rng(seed)
    for _ in range(steps):
        numbers = torch.from_numpy(order.integers(len(features), size=BATCH))
        optimiser.zero_grad()
        loss = _loss(network, features[numbers], values[numbers], errors[numbers], true[numbers])
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        rates.step()
    return network


def _loss(network: CorrectionNetwork, features: Tensor, values: Tensor, errors: Tensor, true: Tensor) -> Tensor:
    """Return the loss of values, a robust distance in errors, plus that of errors, a quantile of the distances."""
    shifts, factors = network(features)
    total = torch.zeros(())
    for place, name in enumerate(CORRECTED):
        value = values[:, place]
        if name in SHIFTED:
            value = apply_shift(name, value, errors[:, place], shifts[:, place])
        distance = true[:, place] - value
        if name == "position_angle_deg":
            distance = (distance + 90) % 180 - 90
        log_error = torch.log(errors[:, place].clamp(min=1e-9)) + factors[:, place]
        pull = distance / log_error.exp().detach()
        if name in SHIFTED:
            total = total + torch.nn.functional.huber_loss(pull, torch.zeros_like(pull), delta=ROBUST)
        excess = torch.log(distance.detach().abs().clamp(min=1e-9)) - log_error
        total = total + torch.maximum(ONE_SIGMA * excess, (ONE_SIGMA - 1) * excess).mean()
    return total

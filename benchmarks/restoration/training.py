"""Batches, loss and score of a training of the restorer."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backend.heads.restoration.network import MEDIUM, Restored, Restoring
from backend.heads.restoration.noise import measure_noise
from backend.heads.restoration.tikhonov import deconvolve
from benchmarks.restoration.galaxies import read_priors, simulate_scene
from benchmarks.restoration.observing import Observed, observe, random_psf
from benchmarks.restoration.real import real_psfs, real_scenes

__all__ = ["Material", "gain_db", "loss_of", "restore_observed"]

SHRINK = (1.5, 2.0, 2.5)
"""Pixels of a real stamp per half pixel of the image."""
WIDTHS = (0.8, 1.1, 1.5)
REAL_SHARE, DENOISED_SHARE = 0.25, 0.15
SIGNAL_TO_NOISE = (6.0, 800.0)
POOL, RENEWED = 3000, 3
"""Scenes in memory, and how many of them each batch replaces."""
POOLING_PX, SMOOTH_SHARE, SPREAD_SHARE = 4, 0.3, 0.03


class Material:
    """Scenes and PSFs of one part, and the batches made of them.

    Parameters
    ----------
    data : Path
    part : str
        ``train``, ``val`` or ``test``: real galaxies and PSFs of the part only, and simulated galaxies of its own seeds.
    pool : int
        Number of simulated scenes in memory.
    """

    def __init__(self, data: Path, part: str, *, pool: int = POOL) -> None:
        self.seed = {"train": 1, "val": 2, "test": 3}[part]
        self.priors = read_priors(data)
        self.psfs = [psf for width in WIDTHS for psf in real_psfs(data, part, width=width)]
        self.real = [scene for shrink in SHRINK for scene in real_scenes(data, part, shrink=shrink).values()]
        rng = np.random.default_rng([self.seed, 0])
        self.pool = [simulate_scene(self.priors, rng) for _ in range(pool)]

    def batch(self, number: int, size: int, *, realistic: bool = True) -> Observed:
        """Return the batch with this number; each has its own galaxies, PSFs, orientations and noise."""
        rng = np.random.default_rng([self.seed, 1, number])
        for _ in range(RENEWED):
            self.pool[rng.integers(len(self.pool))] = simulate_scene(self.priors, rng)
        scenes = np.stack([self._scene(rng) for _ in range(size)])
        psfs = np.stack([random_psf(rng, self.psfs) for _ in range(size)])
        low, high = (math.log10(value) for value in SIGNAL_TO_NOISE)
        return observe(scenes, psfs, 10 ** rng.uniform(low, high, size), rng, realistic=realistic)

    def batches(self, size: int, *, start: int) -> Iterator[Observed]:
        """Yield batches from number `start`."""
        number = start
        while True:
            yield self.batch(number, size)
            number += 1

    def _scene(self, rng: np.random.Generator) -> NDArray[np.float32]:
        if rng.random() < REAL_SHARE:
            scene = np.roll(self.real[rng.integers(len(self.real))], rng.integers(-3, 4, 2), axis=(0, 1))
        else:
            scene = self.pool[rng.integers(len(self.pool))]
        rotated_scene = np.rot90(scene, int(rng.integers(4)))
        return np.ascontiguousarray(rotated_scene if rng.random() < 0.5 else rotated_scene[:, ::-1])


def restore_observed(network: Restoring, observation: Observed, *, blind: bool) -> tuple[Restored, Tensor]:
    """Return the restored images, and the Tikhonov solution from which the network starts.

    Parameters
    ----------
    blind : bool
        Whether the PSF is not used, so that only noise is removed.
    """
    noise = measure_noise(observation.images)
    filter_result = deconvolve(observation.images, None if blind else observation.psfs, noise)
    width = torch.zeros_like(observation.widths) if blind else observation.widths
    return network(observation.images, filter_result, noise, width), filter_result.images[:, MEDIUM]


def loss_of(network: Restoring, observation: Observed, rng: np.random.Generator) -> Tensor:
    """Return the loss: squared error relative to the Tikhonov solution's, of pixels and of means of 4x4 pixels, and the spread.

    The relative error weighs images of all brightnesses equally. The spread is fitted by its likelihood given the mean image,
    which its gradient does not change.
    """
    blind = bool(rng.random() < DENOISED_SHARE)
    target = observation.clean if blind else observation.target
    with torch.autocast("cpu", dtype=torch.bfloat16):
        restoration, start = restore_observed(network, observation, blind=blind)
    error, error_before = restoration.mean - target, start - target
    fine = _energy(error) / _energy(error_before)
    smooth = _energy(_pool(error)) / (_energy(_pool(error_before)) + 1e-2 * _energy(error_before) / POOLING_PX**2)
    spread = torch.log(restoration.std) + 0.5 * (error.detach() / restoration.std) ** 2
    spread = spread - torch.log(measure_noise(observation.images))[:, None, None]
    loss: Tensor = fine.mean() + SMOOTH_SHARE * smooth.mean() + SPREAD_SHARE * spread.clamp(max=50).mean()
    return loss


def gain_db(network: Restoring, batches: list[Observed]) -> tuple[float, float]:
    """Return the mean improvement of the PSNR over the Tikhonov solution in dB, and the coverage of one standard deviation."""
    gains, coverages = [], []
    with torch.no_grad():
        for observation in batches:
            restoration, start = restore_observed(network, observation, blind=False)
            error = restoration.mean - observation.target
            gains.append(10 * torch.log10(_energy(start - observation.target) / _energy(error)))
            coverages.append((error.abs() < restoration.std).float().mean())
    return float(torch.cat(gains).mean()), float(torch.stack(coverages).mean())


def _energy(error: Tensor) -> Tensor:
    return (error**2).mean(dim=(1, 2))


def _pool(error: Tensor) -> Tensor:
    return torch.nn.functional.avg_pool2d(error[:, None], POOLING_PX)[:, 0]

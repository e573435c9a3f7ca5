"""Batches, loss and score of a training of the restorer."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backend.heads.restoration.network import MEDIUM, RestoredBatch, Restoring
from backend.heads.restoration.noise import measure_noise
from backend.heads.restoration.tikhonov import deconvolve
from benchmarks.restoration.galaxies import read_priors, simulate_scene
from benchmarks.restoration.observing import Observed, observe, random_psf
from benchmarks.restoration.real import real_psfs, real_scenes

__all__ = ["Material", "gain_db", "loss_of", "observe_kind", "restore_observed"]

SHRINK = (1.5, 2.0, 2.5)
"""Pixels of a real stamp per half pixel of the image."""
WIDTHS = (0.8, 1.1, 1.5)
BATCH = 16
"""Images of a batch of one kind."""
REAL_SHARE, DENOISED_SHARE = 0.25, 0.15
SIGNAL_TO_NOISE = (6.0, 800.0)
POOL, RENEWED = 1500, 3
"""Scenes in memory, and how many of them each batch replaces."""
POOLING_PX, SMOOTH_SHARE, MOMENT_SHARE, SPREAD_SHARE = 4, 0.3, 0.1, 0.05
MIDDLE_PX, WIDEST_PX, WEIGHT_PX = 6.0, 8.0, (1.5, 6.0)
"""The central galaxy has its peak this near to the middle. Its size is measured with a Gaussian weight of the second value, and
its moments with one of its size, limited to the third range."""


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


def observe_kind(material: Material, kind: str, ratio: float, count: int) -> Iterator[Observed]:
    """Yield batches of simulated or real galaxies with white noise at one signal-to-noise ratio; the same ones in each call."""
    rng = np.random.default_rng([material.seed, round(ratio), 7])
    scenes = material.real if kind == "real" else material.pool
    for _ in range(0, count, BATCH):
        chosen_scenes = np.stack([np.rot90(scenes[rng.integers(len(scenes))], int(rng.integers(4))) for _ in range(BATCH)])
        psfs = np.stack([random_psf(rng, material.psfs) for _ in range(BATCH)])
        yield observe(chosen_scenes, psfs, np.full(BATCH, ratio), rng, realistic=False)


def restore_observed(network: Restoring, observation: Observed, *, blind: bool) -> tuple[RestoredBatch, Tensor]:
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
    """Return the loss: squared error relative to the Tikhonov solution's, and the spread.

    The error is that of pixels, of means of 4x4 pixels, and of the flux and the shape of the central galaxy. The relative error
    weighs images of all brightnesses equally. The spread is fitted by its likelihood given the mean image, which its gradient
    does not change.
    """
    blind = bool(rng.random() < DENOISED_SHARE)
    target = observation.clean if blind else observation.target
    with torch.autocast("cpu", dtype=torch.bfloat16):
        restoration, start = restore_observed(network, observation, blind=blind)
    error, error_before = restoration.mean - target, start - target
    fine = _energy(error) / _energy(error_before)
    smooth = _energy(_pool(error)) / (_energy(_pool(error_before)) + 1e-2 * _energy(error_before) / POOLING_PX**2)
    shape = _moment_error(error, error_before, target, observation.noise)
    spread = torch.log(restoration.std) + 0.5 * (error.detach() / restoration.std) ** 2
    spread = spread - torch.log(measure_noise(observation.images))[:, None, None]
    # Logarithms: the few images whose filtered image is nearly exact would have errors of thousands, and outweigh all others.
    loss: Tensor = (
        torch.log1p(fine).mean() + SMOOTH_SHARE * torch.log1p(smooth).mean() + MOMENT_SHARE * torch.log1p(shape).mean()
    )
    return loss + SPREAD_SHARE * spread.clamp(max=50).mean()


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


def _moment_error(error: Tensor, error_before: Tensor, target: Tensor, noise: Tensor) -> Tensor:
    """Return the squared errors of the weighted flux and quadrupole moments of the central galaxy, shape (n, 3).

    They are relative to those of the Tikhonov solution, plus those of white noise in the observed image.
    """
    height, width = target.shape[1:]
    rows, columns = torch.arange(height, dtype=torch.float32)[:, None], torch.arange(width, dtype=torch.float32)[None]
    near = torch.hypot(rows - (height - 1) / 2, columns - (width - 1) / 2) < MIDDLE_PX
    peak = torch.where(near, target, -torch.inf).flatten(1).argmax(dim=1)
    y = rows - (peak // width)[:, None, None]
    x = columns - (peak % width)[:, None, None]
    radius_squared = x**2 + y**2
    light = torch.exp(-0.5 * radius_squared / WIDEST_PX**2) * target
    size = ((light * radius_squared).sum(dim=(1, 2)) / (2 * light.sum(dim=(1, 2)))).clamp(min=0).sqrt().clamp(*WEIGHT_PX)
    size = size[:, None, None]
    weight = torch.exp(-0.5 * radius_squared / size**2)
    moments = torch.stack([weight, weight * (x**2 - y**2) / size**2, 2 * weight * x * y / size**2], dim=1)
    after, before = ((moments * plane[:, None]).sum(dim=(2, 3)) ** 2 for plane in (error, error_before))
    return after / (before + noise[:, None] ** 2 * (moments**2).sum(dim=(2, 3)))


def _energy(error: Tensor) -> Tensor:
    return (error**2).mean(dim=(1, 2))


def _pool(error: Tensor) -> Tensor:
    return torch.nn.functional.avg_pool2d(error[:, None], POOLING_PX)[:, 0]

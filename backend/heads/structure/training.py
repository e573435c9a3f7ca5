"""Training of the amortised network on simulated galaxies.

Galaxies without noise are drawn once and stored; each simulation adds brightness, neighbours and noise anew.
Each simulated image passes the same preparation as a real one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backend.heads.structure.measurement import Cutout
from backend.heads.structure.network import PosteriorNetwork, negative_log_density
from backend.heads.structure.network_inputs import inputs_of, outputs_of
from backend.heads.structure.parameters import SHAPE, X, Y
from backend.heads.structure.preparation import CutoutError, Prepared, prepare
from backend.heads.structure.priors import Priors
from backend.heads.structure.simulation import Library, Simulated, draw_library, observe
from backend.heads.training import Schedule, Training

__all__ = ["Batch", "draw_libraries", "new_training", "prepare_simulated", "temperatures_of", "training_batches"]

SIDES = (48, 64, 96, 128, 160)
LARGEST_OUTPUT = 6.0
"""Galaxies whose first guess is further from the truth, in an output, are left out: they are failures of the preparation."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Inputs of the network and true outputs, for n galaxies; images may be stored as float16."""

    images: Tensor
    numbers: Tensor
    outputs: Tensor


def draw_libraries(priors: Priors, per_side: int, *, seed: int) -> tuple[Library, ...]:
    """Draw noiseless galaxies for each size of image."""
    return tuple(draw_library(priors, per_side, side=side, rng=np.random.default_rng([seed, side])) for side in SIDES)


def new_training(schedule: Schedule, *, seed: int = 0) -> Training[PosteriorNetwork, Batch]:
    """Return a new training; each step receives one `Batch`."""
    torch.manual_seed(seed)
    return Training(PosteriorNetwork(), schedule, loss=_loss, weight_decay=1e-4, largest_gradient=10.0, seed=seed)


def _loss(network: PosteriorNetwork, batch: Batch, rng: np.random.Generator) -> Tensor:
    view = mirror(batch, *(rng.random(3) < 0.5))
    means, roots = network(view.images, view.numbers)
    return negative_log_density(means, roots, view.outputs).mean()


def mirror(batch: Batch, left_right: bool, up_down: bool, transposed: bool) -> Batch:
    """Return a batch as it would be if the images were mirrored along x, along y and at the diagonal."""
    images, numbers, outputs = batch.images.float(), batch.numbers.clone(), batch.outputs.clone()
    shapes = (numbers[:, 1:3], outputs[:, SHAPE])
    if left_right:
        images, outputs[:, X] = images.flip(3), -outputs[:, X]
    if up_down:
        images, outputs[:, Y] = images.flip(2), -outputs[:, Y]
    if left_right != up_down:
        for shape in shapes:
            shape[:, 1] *= -1
    if transposed:
        images = images.transpose(2, 3)
        outputs[:, [X, Y]] = outputs[:, [Y, X]]
        for shape in shapes:
            shape[:, 0] *= -1
    return Batch(images.contiguous(memory_format=torch.channels_last), numbers, outputs)


def training_batches(
    libraries: Sequence[Library], size: int, *, first_step: int, different: int, seed: int = 0
) -> Iterator[Sequence[Batch]]:
    """Yield one batch per step, without end.

    Parameters
    ----------
    libraries : sequence of Library
    size : int
        Galaxies of a batch.
    first_step : int
        Number of the first step; the batch of a step depends on its number and the seed only.
    different : int
        Number of different batches; they are kept and repeated, since a simulation costs more than a step.
    seed : int
    """
    batch_by_step: dict[int, Batch] = {}
    step = first_step
    while True:
        if step % different not in batch_by_step:
            batch_by_step[step % different] = _draw_batch(libraries, size, np.random.default_rng([seed, step % different]))
        yield [batch_by_step[step % different]]
        step += 1


def _draw_batch(libraries: Sequence[Library], size: int, rng: np.random.Generator) -> Batch:
    rows: list[tuple[Prepared, NDArray[np.float64]]] = []
    while len(rows) < size:
        rows += prepare_simulated([observe(libraries[int(rng.integers(len(libraries)))], rng=rng)])
    return _stack(rows)


def prepare_simulated(galaxies: Sequence[Simulated]) -> list[tuple[Prepared, NDArray[np.float64]]]:
    """Prepare simulated galaxies; return those that can be measured, with their true parameters in the window."""
    rows = []
    for galaxy in galaxies:
        cutout = Cutout(galaxy.image, galaxy.object_mask, galaxy.neighbour_mask, galaxy.psf)
        try:
            preparation = prepare(cutout)
        except CutoutError:
            continue
        true = galaxy.parameters.copy()
        true[:2] -= preparation.origin
        true[6] /= preparation.noise
        true[7] = (true[7] - preparation.level) / preparation.noise
        if np.abs(outputs_of(true, preparation)).max() < LARGEST_OUTPUT:
            rows.append((preparation, true))
    return rows


def _stack(rows: Sequence[tuple[Prepared, NDArray[np.float64]]]) -> Batch:
    inputs = [inputs_of(preparation) for preparation, _ in rows]
    return Batch(
        torch.from_numpy(np.stack([item.image for item in inputs])).half(),
        torch.from_numpy(np.stack([item.numbers for item in inputs])),
        torch.from_numpy(np.stack([outputs_of(true, preparation) for preparation, true in rows])).float(),
    )


def temperatures_of(network: PosteriorNetwork, batch: Batch) -> NDArray[np.float64]:
    """Return the factor of each standard deviation with which 68 % of the true values are within one deviation."""
    with torch.inference_mode():
        means, roots = network(batch.images.float(), batch.numbers)
    deviations = torch.linalg.inv(roots.double()).square().sum(1).sqrt()
    ratios = ((batch.outputs - means).abs() / deviations).numpy()
    return np.asarray(np.quantile(ratios, 0.6827, axis=0), np.float64)

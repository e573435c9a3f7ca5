"""The shipped network: first guesses for the fit, and answers without a fit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from backend.heads.structure.errors import DRAWS, measure_draws
from backend.heads.structure.fitted import Fitted, problem_of, unconstrained_by
from backend.heads.structure.network import AmortisedPosterior
from backend.heads.structure.network_inputs import inputs_of, parameters_of
from backend.heads.structure.parameters import FLUX, INDEX, RADIUS, SHAPE, SKY
from backend.heads.structure.preparation import Prepared
from backend.heads.structure.render import grid_side, make_canvas, psf_transform, render

__all__ = ["WEIGHTS", "estimate_prepared", "guess_parameters", "open_posterior"]

WEIGHTS = Path(__file__).parents[1] / "weights" / "structure"
LARGEST_LOGIT = 3.0
"""Largest logit of the index of a first guess: at the limits of the indices the fit has no slope to leave them."""


@cache
def open_posterior(folder: Path = WEIGHTS) -> AmortisedPosterior:
    """Open the network, once per process; raise HeadError if it is damaged."""
    return AmortisedPosterior.load(folder)


def guess_parameters(galaxies: Sequence[Prepared]) -> NDArray[np.float64]:
    """Return first guesses for the fit, shape (galaxies, 8): the network's means, or the moments' where these are invalid."""
    means, _ = open_posterior().predict([inputs_of(galaxy) for galaxy in galaxies])
    guesses = np.stack([parameters_of(mean, galaxy) for mean, galaxy in zip(means, galaxies, strict=True)])
    guesses[:, INDEX] = guesses[:, INDEX].clip(-LARGEST_LOGIT, LARGEST_LOGIT)
    for guess, galaxy in zip(guesses, galaxies, strict=True):
        side = galaxy.image.shape[0]
        is_inside = (guess[:2] > 0).all() and (guess[:2] < side - 1).all() and guess[RADIUS] < math.log(side)
        if not (np.isfinite(guess).all() and is_inside):
            guess[:] = galaxy.start
    return guesses


def estimate_prepared(galaxies: Sequence[Prepared]) -> list[Fitted]:
    """Return the network's answers, in order; chi-squared is that of the model at the posterior's mean."""
    if not galaxies:
        return []
    means, covariances = open_posterior().predict([inputs_of(galaxy) for galaxy in galaxies])
    rng = np.random.default_rng(0)
    return [
        _estimate(galaxy, mean, rng.multivariate_normal(mean, covariance, DRAWS, method="eigh"))
        for galaxy, mean, covariance in zip(galaxies, means, covariances, strict=True)
    ]


def _estimate(galaxy: Prepared, mean: NDArray[np.float64], draws: NDArray[np.float64]) -> Fitted:
    parameters = parameters_of(mean, galaxy)
    side = galaxy.image.shape[0]
    if not np.isfinite(parameters).all():
        return Fitted(parameters, {}, math.inf, 0.0, "the network has no finite answer", method="network")
    radius = math.exp(parameters[RADIUS] + math.hypot(*parameters[SHAPE]))
    canvas = make_canvas(grid_side((side, side), min(radius, side)), (side, side))
    transform = psf_transform(galaxy.psf.pixels, canvas.side)[None]
    model = render(torch.from_numpy(parameters).float()[None], transform, canvas)[0].numpy()
    pixels = galaxy.object_mask & (galaxy.weight > 0)
    chi2 = float((galaxy.weight * (galaxy.image - model) ** 2)[pixels].mean()) if pixels.any() else math.inf
    signal = math.sqrt(float((galaxy.weight * (model - parameters[SKY]) ** 2).sum()))
    return Fitted(
        parameters,
        measure_draws(parameters, parameters_of(draws, galaxy)),
        chi2,
        signal,
        problem_of(parameters, signal, side=side, is_converged=parameters[FLUX] > 0),
        unconstrained_by(parameters),
        "network",
    )

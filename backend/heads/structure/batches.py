"""Fits of prepared galaxies in batches of one window size, with further starts where the first fit is not good."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from backend.heads.structure.correction import features_of, open_correction
from backend.heads.structure.errors import covariance_of_fit, noise_correlation, quantities_with_errors
from backend.heads.structure.fitted import DIVERGED, Fitted, problem_of, unconstrained_by
from backend.heads.structure.fitting import Fit, fit_models
from backend.heads.structure.parameters import INDEX, RADIUS, SHAPE, SKY, logit_of_index
from backend.heads.structure.preparation import Prepared
from backend.heads.structure.render import FourierGrid, grid_side, make_canvas, psf_transform, render, render_with_derivatives
from backend.heads.structure.shipped import estimate_prepared, guess_parameters

__all__ = ["fit_prepared", "fit_uncorrected", "model_on_cutout"]

BATCH_PIXELS = 8 * 128 * 128
"""Pixels of the grids of one batch: larger batches do not fit into the processor's caches."""
POOR_CHI2 = 4.0
"""Reduced chi-squared above which a fit starts again; spiral arms and the noise of photons alone reach 2 to 3."""
OTHER_STARTS = (4.0, 0.6)
INDEX_NEAR_LIMIT = 3.0
"""Logit of the index above which a fit starts again."""
NETWORK_CHI2 = 1.5
"""Largest chi-squared of the network's answer, in units of that of a fit that did not converge."""


def fit_prepared(galaxies: Sequence[Prepared]) -> list[Fitted]:
    """Fit galaxies; return one result for each, in order, with corrected values and errors."""
    if not galaxies:
        return []
    correction = open_correction()
    fits = [
        fit if fit.problem else replace(fit, quantities=correction.correct(fit.quantities, fit.features))
        for fit in fit_uncorrected(galaxies)
    ]
    return _with_network(fits, galaxies)


def fit_uncorrected(galaxies: Sequence[Prepared]) -> list[Fitted]:
    """Fit galaxies; return the best fit of each, with errors from the curvature of chi-squared."""
    guesses = guess_parameters(galaxies)
    groups = defaultdict(list)
    for number, (galaxy, guess) in enumerate(zip(galaxies, guesses, strict=True)):
        side = galaxy.image.shape[0]
        radius = math.exp(guess[RADIUS] + math.hypot(*guess[SHAPE]))
        groups[side, grid_side((side, side), 1.2 * radius)].append(number)
    results: dict[int, Fitted] = {}
    for (side, grid), numbers in groups.items():
        canvas = make_canvas(grid, (side, side))
        size = max(1, BATCH_PIXELS // grid**2)
        for first in range(0, len(numbers), size):
            batch = numbers[first : first + size]
            results |= dict(zip(batch, _fit_batch([galaxies[number] for number in batch], guesses[batch], canvas), strict=True))
    return [results[number] for number in range(len(galaxies))]


def _with_network(fits: Sequence[Fitted], galaxies: Sequence[Prepared]) -> list[Fitted]:
    """Replace fits that did not converge by the network's answer, where that describes the image as well."""
    diverged_numbers = [number for number, fit in enumerate(fits) if fit.problem == DIVERGED]
    results = list(fits)
    for number, estimate in zip(
        diverged_numbers, estimate_prepared([galaxies[number] for number in diverged_numbers]), strict=True
    ):
        if not estimate.problem and estimate.reduced_chi2 < NETWORK_CHI2 * max(fits[number].reduced_chi2, 1.0):
            results[number] = estimate
    return results


def model_on_cutout(parameters: NDArray[np.float64], galaxy: Prepared, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Draw the model of a fitted galaxy on its cut-out of `shape` (height, width), in units of the noise above the level."""
    shifted_parameters = parameters.copy()
    shifted_parameters[:2] += galaxy.origin
    radius = math.exp(parameters[RADIUS] + math.hypot(*parameters[SHAPE]))
    canvas = make_canvas(grid_side(shape, radius), shape)
    psf = psf_transform(galaxy.psf.pixels, canvas.side)
    model: NDArray[np.float32] = render(torch.from_numpy(shifted_parameters).float()[None], psf[None], canvas)[0].numpy()
    return model


def _fit_batch(galaxies: Sequence[Prepared], guesses: NDArray[np.float64], canvas: FourierGrid) -> list[Fitted]:
    images = torch.from_numpy(np.stack([galaxy.image for galaxy in galaxies]))
    weights = torch.from_numpy(np.stack([galaxy.weight for galaxy in galaxies]))
    masks = torch.from_numpy(np.stack([galaxy.object_mask for galaxy in galaxies])) & (weights > 0)
    transforms = {id(galaxy.psf): psf_transform(galaxy.psf.pixels, canvas.side) for galaxy in galaxies}
    psfs = torch.stack([transforms[id(galaxy.psf)] for galaxy in galaxies])
    start = torch.from_numpy(guesses).float()
    fit = fit_models(images, weights, psfs, start=start, canvas=canvas)
    models, derivatives = render_with_derivatives(fit.parameters, psfs, canvas)
    scatter = _reduced_chi2(images, weights, models, masks)
    at_limit = fit.parameters[:, INDEX].abs() > INDEX_NEAR_LIMIT
    poor = torch.nonzero(~fit.has_converged | at_limit | (scatter > POOR_CHI2))[:, 0]
    for index in OTHER_STARTS if len(poor) else ():
        restart = start[poor].clone()
        restart[:, INDEX] = logit_of_index(index)
        other = fit_models(images[poor], weights[poor], psfs[poor], start=restart, canvas=canvas)
        margin = torch.where(other.has_converged & ~fit.has_converged[poor], 1.0, -1.0)
        better = other.chi2 < fit.chi2[poor] + margin
        for ours, theirs in zip(_fields(fit), _fields(other), strict=True):
            ours[poor[better]] = theirs[better]
    if len(poor):
        models, derivatives = render_with_derivatives(fit.parameters, psfs, canvas)
        scatter = _reduced_chi2(images, weights, models, masks)
    signal = (weights * (models - fit.parameters[:, SKY, None, None]) ** 2).sum((1, 2)).sqrt()
    results = []
    for i, galaxy in enumerate(galaxies):
        beside = (weights[i] > 0).numpy() & ~ndimage.binary_dilation(galaxy.object_mask, iterations=3)
        correlation = noise_correlation(((images[i] - models[i]) * weights[i].sqrt()).numpy(), beside)
        covariance = covariance_of_fit(
            fit.hessian[i], derivatives[i], weights[i], correlation=correlation, scatter=float(scatter[i])
        )
        parameters = fit.parameters[i].double().numpy()
        evidence = {"scatter": float(scatter[i]), "signal": float(signal[i])}
        results.append(
            Fitted(
                parameters,
                quantities_with_errors(parameters, covariance),
                float(scatter[i]),
                float(signal[i]),
                problem_of(parameters, float(signal[i]), side=max(canvas.shape), is_converged=bool(fit.has_converged[i])),
                unconstrained_by(parameters),
                features=features_of(parameters, covariance, psf=galaxy.psf, **evidence),
            )
        )
    return results


def _fields(fit: Fit) -> tuple[Tensor, ...]:
    return fit.parameters, fit.hessian, fit.chi2, fit.has_converged


def _reduced_chi2(images: Tensor, weights: Tensor, models: Tensor, masks: Tensor) -> Tensor:
    squares = weights * (images - models) ** 2 * masks
    return squares.sum((1, 2)) / masks.sum((1, 2)).clamp(min=1)

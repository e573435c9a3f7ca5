"""Fits of prepared galaxies in batches of one window size, with further starts where the first fit is not good."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from backend.heads.structure.errors import covariance_of_fit, noise_correlation, quantities_with_errors
from backend.heads.structure.fitting import Fit, fit_models
from backend.heads.structure.measurement import Measured
from backend.heads.structure.parameters import FLUX, INDEX, RADIUS, SHAPE, SKY, logit_of_index
from backend.heads.structure.preparation import Prepared
from backend.heads.structure.render import Canvas, grid_side, make_canvas, psf_transform, render, render_with_derivatives
from backend.heads.structure.sersic import HIGHEST_INDEX, LOWEST_INDEX

__all__ = ["Fitted", "fit_prepared", "model_on_cutout"]

BATCH_PIXELS = 8 * 128 * 128
"""Pixels of the grids of one batch: larger batches do not fit into the processor's caches."""
POOR_CHI2 = 1.3
OTHER_STARTS = (4.0, 0.6)
LEAST_SIGNAL_TO_NOISE = 3.0
INDEX_AT_LIMIT = 4.0
"""Logit of the index above which the fit is at the limit of the indices, 0.2 or 8."""


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """The fit of one galaxy.

    Attributes
    ----------
    parameters : ndarray, shape (8,)
        In the window and in units of the noise.
    quantities : mapping of str to Measured
        From `quantities_with_errors`.
    reduced_chi2, signal_to_noise : float
        In the pixels of the galaxy; of its light.
    problem : str
        One sentence if there is no fit, else empty.
    unconstrained : mapping of str to str
        Quantities that the image does not constrain, with the reason.
    method : str
        "fit" or "network".
    """

    parameters: NDArray[np.float64]
    quantities: Mapping[str, Measured]
    reduced_chi2: float
    signal_to_noise: float
    problem: str = ""
    unconstrained: Mapping[str, str] = field(default_factory=dict)
    method: str = "fit"


def fit_prepared(galaxies: Sequence[Prepared]) -> list[Fitted]:
    """Fit galaxies; return one result for each, in order."""
    groups = defaultdict(list)
    for number, galaxy in enumerate(galaxies):
        side = galaxy.image.shape[0]
        radius = math.exp(galaxy.start[RADIUS] + math.hypot(*galaxy.start[SHAPE]))
        groups[side, grid_side((side, side), 1.2 * radius)].append(number)
    results: dict[int, Fitted] = {}
    for (side, grid), numbers in groups.items():
        canvas = make_canvas(grid, (side, side))
        size = max(1, BATCH_PIXELS // grid**2)
        for first in range(0, len(numbers), size):
            batch = numbers[first : first + size]
            results |= dict(zip(batch, _fit_batch([galaxies[number] for number in batch], canvas), strict=True))
    return [results[number] for number in range(len(galaxies))]


def model_on_cutout(parameters: NDArray[np.float64], galaxy: Prepared, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Draw the model of a fitted galaxy on its cut-out of `shape` (height, width), in units of the noise above the level."""
    shifted = parameters.copy()
    shifted[:2] += galaxy.origin
    radius = math.exp(parameters[RADIUS] + math.hypot(*parameters[SHAPE]))
    canvas = make_canvas(grid_side(shape, radius), shape)
    psf = psf_transform(galaxy.psf.pixels, canvas.side)
    model: NDArray[np.float32] = render(torch.from_numpy(shifted).float()[None], psf[None], canvas)[0].numpy()
    return model


def _fit_batch(galaxies: Sequence[Prepared], canvas: Canvas) -> list[Fitted]:
    images = torch.from_numpy(np.stack([galaxy.image for galaxy in galaxies]))
    weights = torch.from_numpy(np.stack([galaxy.weight for galaxy in galaxies]))
    masks = torch.from_numpy(np.stack([galaxy.object_mask for galaxy in galaxies])) & (weights > 0)
    transforms = {id(galaxy.psf): psf_transform(galaxy.psf.pixels, canvas.side) for galaxy in galaxies}
    psfs = torch.stack([transforms[id(galaxy.psf)] for galaxy in galaxies])
    start = torch.from_numpy(np.stack([galaxy.start for galaxy in galaxies])).float()
    fit = fit_models(images, weights, psfs, start=start, canvas=canvas)
    models, derivatives = render_with_derivatives(fit.parameters, psfs, canvas)
    scatter = _reduced_chi2(images, weights, models, masks)
    poor = torch.nonzero(~fit.converged | (scatter > POOR_CHI2))[:, 0]
    for index in OTHER_STARTS if len(poor) else ():
        again = start[poor].clone()
        again[:, INDEX] = logit_of_index(index)
        other = fit_models(images[poor], weights[poor], psfs[poor], start=again, canvas=canvas)
        margin = torch.where(other.converged & ~fit.converged[poor], 1.0, -1.0)
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
        results.append(
            Fitted(
                parameters,
                quantities_with_errors(parameters, covariance),
                float(scatter[i]),
                float(signal[i]),
                _problem(parameters, canvas, bool(fit.converged[i]), float(signal[i])),
                _unconstrained(parameters),
            )
        )
    return results


def _fields(fit: Fit) -> tuple[Tensor, ...]:
    return fit.parameters, fit.hessian, fit.chi2, fit.converged


def _reduced_chi2(images: Tensor, weights: Tensor, models: Tensor, masks: Tensor) -> Tensor:
    squares = weights * (images - models) ** 2 * masks
    return squares.sum((1, 2)) / masks.sum((1, 2)).clamp(min=1)


def _problem(parameters: NDArray[np.float64], canvas: Canvas, converged: bool, signal: float) -> str:
    """Return one sentence if the fit gives no values."""
    radius = math.exp(parameters[RADIUS] + math.hypot(*parameters[SHAPE]))
    if not np.isfinite(parameters).all() or not converged:
        return "the fit did not converge"
    if signal < LEAST_SIGNAL_TO_NOISE or parameters[FLUX] <= 2e-3:
        return f"the galaxy has no significant light: its signal-to-noise ratio is {signal:.1f}"
    if radius > max(canvas.shape):
        return f"the half-light radius of the fit, {radius:.0f} pixels, is larger than the image"
    return ""


def _unconstrained(parameters: NDArray[np.float64]) -> dict[str, str]:
    """Return a reason for each quantity that the image does not constrain."""
    if abs(parameters[INDEX]) < INDEX_AT_LIMIT:
        return {}
    limit = HIGHEST_INDEX if parameters[INDEX] > 0 else LOWEST_INDEX
    reason = f"the fit is at the limit of the Sersic index, {limit:g}"
    return dict.fromkeys(("sersic_n", "re_px", "re_arcsec", "mag") if limit == HIGHEST_INDEX else ("sersic_n",), reason)

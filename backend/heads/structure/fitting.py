"""Least squares for many galaxies at once: Levenberg-Marquardt with the derivatives of the model.

Weak priors keep the fit of a faint galaxy from running away: on the index (0.6 to 3.7 at one standard deviation), on the shape
and on the radius about its first guess.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from backend.heads.structure.parameters import FLUX, INDEX, PARAMETERS, RADIUS, SHAPE, SKY, logit_of_index
from backend.heads.structure.render import FourierGrid, render_with_derivatives

__all__ = ["Fit", "fit_models"]

MOST_STEPS = 40
CONVERGED = 0.005
"""Expected decrease of chi-squared at which a fit has converged: far below a tenth of an error in each parameter."""
FIRST_DAMPING, LOWEST_DAMPING, HIGHEST_DAMPING = 1e-2, 1e-5, 1e8
PRIOR_INDEX, PRIOR_INDEX_SPREAD = logit_of_index(1.5), 1.2
PRIOR_SHAPE_SPREAD = 0.8
PRIOR_RADIUS_SPREAD = 1.0
LONGEST_STEP = 1.0
"""Largest change of ln R, the shape and the logit of the index in one step."""


@dataclass(frozen=True, slots=True)
class Fit:
    """Best-fit parameters of a batch.

    Attributes
    ----------
    parameters : Tensor, shape (galaxies, 8)
    hessian : Tensor, shape (galaxies, 8, 8), float64
        Inverse covariance for white noise, with the priors.
    chi2 : Tensor, shape (galaxies,), float64
        Without the priors.
    has_converged : Tensor of bool, shape (galaxies,)
    """

    parameters: Tensor
    hessian: Tensor
    chi2: Tensor
    has_converged: Tensor


def fit_models(images: Tensor, weights: Tensor, psfs: Tensor, *, start: Tensor, canvas: FourierGrid) -> Fit:
    """Fit models to images.

    Parameters
    ----------
    images, weights : Tensor, shape (galaxies, height, width)
        Weights are inverse variances; 0 where a pixel is left out.
    psfs : Tensor, shape (galaxies, frequencies)
        From `psf_transform`.
    start : Tensor, shape (galaxies, 8)
        First guesses.
    canvas : FourierGrid
    """
    parameters = start.clone()
    mean, precision = _priors(start)
    damping = torch.full((len(start),), FIRST_DAMPING, dtype=torch.float64)
    is_converged = torch.zeros(len(start), dtype=torch.bool)
    gradient, hessian, objective = _normal_equations(parameters, images, weights, psfs, canvas, mean, precision)
    active = torch.arange(len(start))
    for _ in range(MOST_STEPS):
        step = _solve(hessian[active], gradient[active], damping[active])
        expected = (gradient[active] * step).sum(1)
        is_finished = expected < CONVERGED
        is_converged[active[is_finished]] = True
        active, step = active[~is_finished], step[~is_finished]
        if not len(active):
            break
        trial = _bound(parameters[active] + step.float(), images.shape[-1])
        slope, curvature, value = _normal_equations(
            trial, images[active], weights[active], psfs[active], canvas, mean[active], precision
        )
        step = (trial - parameters[active]).double()
        predicted_change = 2 * (gradient[active] * step).sum(1) - ((hessian[active] @ step[..., None])[..., 0] * step).sum(1)
        better = value < objective[active]  # False for NaN
        # Nielsen (1999): damping falls only as far as the model of the curvature predicts the decrease; otherwise steps along
        # the valley of radius and index overshoot again and again.
        gain = ((objective[active] - value) / predicted_change.clamp(min=1e-9)).nan_to_num(-1.0)
        factor = torch.where(better, (1 - (2 * gain - 1) ** 3).clamp(1 / 5, 3), torch.full_like(gain, 6))
        damping[active] = (damping[active] * factor).clamp(min=LOWEST_DAMPING)
        improved_rows = active[better]
        parameters[improved_rows], objective[improved_rows] = trial[better], value[better]
        gradient[improved_rows], hessian[improved_rows] = slope[better], curvature[better]
        # No smaller value within the precision of the numbers: the fit is at its minimum.
        stuck = damping[active] > HIGHEST_DAMPING
        active = active[~stuck]
        if not len(active):
            break
    prior = (precision * (parameters.double() - mean) ** 2).sum(1)
    return Fit(parameters, hessian, objective - prior, is_converged)


def _priors(start: Tensor) -> tuple[Tensor, Tensor]:
    """Return the means (galaxies, 8) and inverse variances (8,) of the priors."""
    mean = start.double().clone()
    mean[:, SHAPE] = 0
    mean[:, INDEX] = PRIOR_INDEX
    precision = torch.zeros(len(PARAMETERS), dtype=torch.float64)
    precision[RADIUS] = PRIOR_RADIUS_SPREAD**-2
    precision[SHAPE] = PRIOR_SHAPE_SPREAD**-2
    precision[INDEX] = PRIOR_INDEX_SPREAD**-2
    return mean, precision


def _normal_equations(
    parameters: Tensor, images: Tensor, weights: Tensor, psfs: Tensor, canvas: FourierGrid, mean: Tensor, precision: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return minus half the gradient, half the curvature, and the value of chi-squared plus priors."""
    models, derivatives = render_with_derivatives(parameters, psfs, canvas)
    residual = images - models
    flat = derivatives.flatten(2)
    weighted_jacobian = flat * weights.flatten(1)[:, None]
    distance = parameters.double() - mean
    gradient = (weighted_jacobian @ residual.flatten(1)[..., None])[..., 0].double() - precision * distance
    hessian = (weighted_jacobian @ flat.mT).double() + torch.diag(precision)
    return gradient, hessian, (weights * residual**2).sum((1, 2), dtype=torch.float64) + (precision * distance**2).sum(1)


def _solve(hessian: Tensor, gradient: Tensor, damping: Tensor) -> Tensor:
    """Return the step of each galaxy, shape (galaxies, 8); the damping is relative to the curvature of each parameter."""
    scale = torch.diagonal(hessian, dim1=1, dim2=2).clamp(min=1e-12).rsqrt()
    scaled_hessian = hessian * scale[:, :, None] * scale[:, None]
    scaled_hessian = scaled_hessian + torch.diag_embed((damping[:, None] + 1e-9).expand(-1, hessian.shape[1]))
    step: Tensor = torch.linalg.solve(scaled_hessian, (gradient * scale)[..., None])[..., 0] * scale
    longest = step[:, RADIUS : INDEX + 1].abs().amax(1, keepdim=True)
    return step * (LONGEST_STEP / longest.clamp(min=LONGEST_STEP))


def _bound(parameters: Tensor, side: int) -> Tensor:
    """Keep the centre in the window, and radius, shape and flux where the model can be drawn."""
    bounded_parameters = parameters.clone()
    bounded_parameters[:, :RADIUS] = bounded_parameters[:, :RADIUS].clamp(0, side - 1)
    bounded_parameters[:, RADIUS] = bounded_parameters[:, RADIUS].clamp(-3, float(torch.log(torch.tensor(2.0 * side))))
    size = bounded_parameters[:, SHAPE].norm(dim=1, keepdim=True)
    bounded_parameters[:, SHAPE] *= (1.6 / size.clamp(min=1e-6)).clamp(max=1)
    bounded_parameters[:, INDEX] = bounded_parameters[:, INDEX].clamp(-6, 6)
    bounded_parameters[:, FLUX] = bounded_parameters[:, FLUX].clamp(min=1e-3)
    bounded_parameters[:, SKY] = bounded_parameters[:, SKY].clamp(-1e4, 1e4)
    return bounded_parameters

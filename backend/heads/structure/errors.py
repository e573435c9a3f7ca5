"""Errors of fitted parameters: the curvature of chi-squared, with correlated noise, converted to the quantities of users.

Pixels of resampled images (HST's drizzle) have correlated noise. Least squares with single weights is then still unbiased, but
the curvature understates the errors. The correlation is measured on the residuals beside the galaxy, and the covariance is
H^-1 (J^T S J) H^-1, with S the covariance of the pixels (White 1980, Econometrica 48, 817).
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backend.heads.structure.measurement import Measured
from backend.heads.structure.parameters import to_quantities

__all__ = ["DRAWS", "covariance_of_fit", "measure_draws", "noise_correlation", "quantities_with_errors"]

LAGS = 4
"""Largest distance of pixels whose noise may be correlated, along each axis."""
SIGNIFICANT, SIGNIFICANT_TAIL = 4.0, 2.0
"""Significance of the correlation of neighbouring pixels, without which the noise is white; and of further pixels."""
FEWEST_PIXELS = 300
DRAWS = 2000
ONE_SIGMA = (15.865, 84.135)


def noise_correlation(residuals: NDArray[np.floating], usable: NDArray[np.bool_]) -> NDArray[np.float64] | None:
    """Return the correlation of the noise of pixels by their distance, shape (2 `LAGS` + 1, 2 `LAGS` + 1).

    Parameters
    ----------
    residuals : ndarray, shape (height, width)
        In units of the noise.
    usable : ndarray of bool, shape (height, width)
        Pixels of sky.

    Returns
    -------
    ndarray or None
        None if there are too few pixels, or neighbouring pixels are not significantly correlated.
    """
    count = int(usable.sum())
    if count < FEWEST_PIXELS:
        return None
    values = np.where(usable, residuals - residuals[usable].mean(), 0).clip(-5, 5)
    shape = tuple(side + LAGS for side in values.shape)
    power, pairs = (np.abs(np.fft.rfft2(array, shape)) ** 2 for array in (values, usable.astype(float)))
    sums, numbers = np.fft.irfft2(power, shape), np.fft.irfft2(pairs, shape).round()
    lags = np.arange(-LAGS, LAGS + 1)
    near = np.ix_(lags, lags)
    correlation = sums[near] / np.maximum(numbers[near], 1) / max(sums[0, 0] / numbers[0, 0], 1e-12)
    significance = np.abs(correlation) * np.sqrt(np.maximum(numbers[near], 1))
    if min(significance[LAGS, LAGS + 1], significance[LAGS + 1, LAGS]) < SIGNIFICANT:
        return None
    return np.where(significance > SIGNIFICANT_TAIL, correlation, 0)


def covariance_of_fit(
    hessian: Tensor, derivatives: Tensor, weights: Tensor, *, correlation: NDArray[np.float64] | None, scatter: float
) -> NDArray[np.float64]:
    """Return the covariance of the parameters of one galaxy, shape (8, 8).

    Parameters
    ----------
    hessian : Tensor, shape (8, 8)
        For white noise, with the priors.
    derivatives : Tensor, shape (8, height, width)
    weights : Tensor, shape (height, width)
    correlation : ndarray or None
        From `noise_correlation`.
    scatter : float
        Reduced chi-squared of the galaxy's pixels; above 1, errors grow with its square root.
    """
    inverse = torch.linalg.inv(hessian).numpy()
    covariance = inverse
    if correlation is not None:
        scaled_derivatives = derivatives * weights.sqrt()
        kernel = torch.from_numpy(correlation).to(scaled_derivatives.dtype)[None, None]
        spread = torch.nn.functional.conv2d(scaled_derivatives[:, None], kernel, padding=LAGS)[:, 0]
        noise = (scaled_derivatives.flatten(1) @ spread.flatten(1).T).double()
        white = (scaled_derivatives.flatten(1) @ scaled_derivatives.flatten(1).T).double()
        full = inverse @ (noise + hessian - white).numpy() @ inverse
        if (np.diag(full) >= 0.5 * np.diag(inverse)).all():
            covariance = (full + full.T) / 2
    return np.asarray(covariance * max(scatter, 1.0), np.float64)


def quantities_with_errors(mean: NDArray[np.float64], covariance: NDArray[np.float64]) -> dict[str, Measured]:
    """Return the quantities of `to_quantities` at `mean`, with half the width of the 68 % interval of the posterior."""
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(values.clip(0))
    return measure_draws(mean, mean + np.random.default_rng(0).normal(size=(DRAWS, len(mean))) @ root.T)


def measure_draws(best: NDArray[np.float64], draws: NDArray[np.float64]) -> dict[str, Measured]:
    """Return the quantities at `best`, shape (8,), with half the width of the 68 % interval of draws, shape (n, 8)."""
    spread = to_quantities(draws)
    centre = {name: float(value[0]) for name, value in to_quantities(best[None]).items()}
    angles = spread["position_angle_deg"] - centre["position_angle_deg"]
    spread["position_angle_deg"] = (angles + 90) % 180 - 90
    half_widths = {name: float(np.ptp(np.percentile(value, ONE_SIGMA)) / 2) for name, value in spread.items()}
    return {name: Measured(value, half_widths[name]) for name, value in centre.items()}

"""Sersic profiles fitted to the light of several galaxies at once, with a known point spread function."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.signal import fftconvolve

from backend.scenes.galaxies import sersic

__all__ = ["PARAMETERS", "fit_profiles", "measure_profile", "render_profile"]

Plane = NDArray[np.float64]

PARAMETERS = ("x", "y", "log amplitude", "log radius", "log index", "logit of axis ratio", "angle")
"""The parameters of a profile; x and y in pixels, 0.5 is the centre of the first pixel; the angle in radians."""
SUBPIXELS = 3
ROUNDEST, FLATTEST = 1.0, 0.08
FIRST_INDEX = 1.5
MOST_EVALUATIONS = 25
MARGIN_PX = 8
STEP = 1e-4
"""Step of a parameter from which the slope of the residuals is computed."""
SCALES = (0.5, 0.5, 0.2, 0.2, 0.2, 0.5, 0.3)
LOWEST = (-np.inf, -np.inf, -25.0, np.log(0.3), np.log(0.4), -6.0, -10.0)
HIGHEST = (np.inf, np.inf, 15.0, np.log(120.0), np.log(8.0), 6.0, 10.0)


def render_profile(parameters: Sequence[float] | Plane, shape: tuple[int, int], psf: Plane) -> Plane:
    """Return the light of a profile, shape `shape`, blurred by a point spread function, shape (k, k), k odd."""
    x, y, log_amplitude, log_radius, log_index, logit, angle = parameters
    ratio = FLATTEST + (ROUNDEST - FLATTEST) / (1 + np.exp(-logit))
    border = len(psf) // 2
    rows, columns = ((np.arange((length + 2 * border) * SUBPIXELS) + 0.5) / SUBPIXELS - border for length in shape)
    across, down = columns[None] - x, rows[:, None] - y
    along = across * np.cos(angle) + down * np.sin(angle)
    beside = (down * np.cos(angle) - across * np.sin(angle)) / ratio
    radius = np.sqrt(along**2 + beside**2 + 0.1 / SUBPIXELS**2) / np.exp(log_radius)
    fine = sersic(radius, index=float(np.exp(log_index)))
    height, width = (length + 2 * border for length in shape)
    light = fine.reshape(height, SUBPIXELS, width, SUBPIXELS).mean(axis=(1, 3)) * np.exp(log_amplitude - 2 * log_radius)
    image: Plane = fftconvolve(light, psf, mode="same")[border : height - border, border : width - border]
    return image


def measure_profile(light: Plane, psf: Plane) -> Plane:
    """Return approximate parameters of the light of one galaxy, from its brightest pixel, its moments and its flux."""
    row, column = np.unravel_index(int(light.argmax()), light.shape)
    x, y = column + 0.5, row + 0.5
    bright = light * (light > 0.1 * light.max())
    down, across = np.mgrid[: light.shape[0], : light.shape[1]] + 0.5 - np.asarray([y, x])[:, None, None]
    xx, yy, xy = ((bright * product).sum() / bright.sum() for product in (across**2, down**2, across * down))
    middle, half = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    long, short = max(middle + half, 0.3), max(middle - half, 0.2)
    share = (np.clip(np.sqrt(short / long), 0.15, 0.95) - FLATTEST) / (ROUNDEST - FLATTEST)
    angle = 0.5 * np.arctan2(2 * xy, xx - yy)
    parameters = np.asarray([x, y, 0.0, np.log(long) / 2, np.log(FIRST_INDEX), np.log(share / (1 - share)), angle])
    parameters[2] = np.log(light.sum() / render_profile(parameters, (light.shape[0], light.shape[1]), psf).sum())
    return parameters


def fit_profiles(image: Plane, start: Plane, *, psf: Plane, noise: float) -> Plane:
    """Fit profiles to an image.

    Parameters
    ----------
    image : ndarray, shape (h, w)
        Light above the sky.
    start : ndarray, shape (n, 7)
        Approximate `PARAMETERS` of each galaxy.
    psf : ndarray, shape (k, k), k odd
    noise : float
        Standard deviation of a pixel.

    Returns
    -------
    ndarray, shape (n, h, w)
        Light of each fitted profile.
    """
    shape = (image.shape[0], image.shape[1])

    def residuals(values: Plane) -> Plane:
        light = sum(render_profile(each, shape, psf) for each in values.reshape(start.shape))
        return np.asarray((light - image) / noise).ravel()

    def slopes(values: Plane) -> Plane:
        columns = []
        for each in values.reshape(start.shape):
            light = render_profile(each, shape, psf)
            for step in STEP * np.eye(len(PARAMETERS)):
                columns.append((render_profile(each + step, shape, psf) - light).ravel() / (STEP * noise))
        return np.stack(columns, axis=1)

    low, high = np.tile(LOWEST, (len(start), 1)), np.tile(HIGHEST, (len(start), 1))
    low[:, :2], high[:, 0], high[:, 1] = -MARGIN_PX, shape[1] + MARGIN_PX, shape[0] + MARGIN_PX
    fit = least_squares(
        residuals,
        start.clip(low + 1e-6, high - 1e-6).ravel(),
        jac=slopes,
        bounds=(low.ravel(), high.ravel()),
        x_scale=np.tile(SCALES, len(start)),
        loss="soft_l1",
        max_nfev=MOST_EVALUATIONS,
    )
    return np.stack([render_profile(each, shape, psf) for each in fit.x.reshape(start.shape)])

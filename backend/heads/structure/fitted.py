"""The model of one galaxy, from the fit or from the network, and what makes a model unusable."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from backend.heads.structure.measurement import Measured
from backend.heads.structure.parameters import FLUX, INDEX, RADIUS, SHAPE
from backend.heads.structure.sersic import HIGHEST_INDEX, LOWEST_INDEX

__all__ = ["DIVERGED", "Fitted", "problem_of", "unconstrained_by"]

DIVERGED = "the fit did not converge"
LEAST_SIGNAL_TO_NOISE = 3.0
INDEX_AT_LIMIT = 4.0
"""Logit of the index above which a model is at the limit of the indices, 0.2 or 8."""


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """The model of one galaxy.

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
    unconstrained_quantities : mapping of str to str
        Quantities that the image does not constrain, with the reason.
    method : str
        "fit" or "network".
    features : ndarray, shape (`correction.FEATURES`,)
        Inputs of the correction; empty for the network.
    """

    parameters: NDArray[np.float64]
    quantities: Mapping[str, Measured]
    reduced_chi2: float
    signal_to_noise: float
    problem: str = ""
    unconstrained_quantities: Mapping[str, str] = field(default_factory=dict)
    method: str = "fit"
    features: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))


def problem_of(parameters: NDArray[np.float64], signal: float, *, side: int, is_converged: bool) -> str:
    """Return one sentence if the fit gives no values."""
    radius = math.exp(parameters[RADIUS] + math.hypot(*parameters[SHAPE]))
    if not np.isfinite(parameters).all() or not is_converged:
        return DIVERGED
    if signal < LEAST_SIGNAL_TO_NOISE or parameters[FLUX] <= 2e-3:
        return f"the galaxy has no significant light: its signal-to-noise ratio is {signal:.1f}"
    if radius > side:
        return f"the half-light radius of the fit, {radius:.0f} pixels, is larger than the image"
    return ""


def unconstrained_by(parameters: NDArray[np.float64]) -> dict[str, str]:
    """Return a reason for each quantity that the image does not constrain."""
    if abs(parameters[INDEX]) < INDEX_AT_LIMIT:
        return {}
    limit = HIGHEST_INDEX if parameters[INDEX] > 0 else LOWEST_INDEX
    reason = f"the fit is at the limit of the Sersic index, {limit:g}"
    return dict.fromkeys(("sersic_n", "re_px", "re_arcsec", "mag") if limit == HIGHEST_INDEX else ("sersic_n",), reason)

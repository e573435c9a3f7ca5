"""Principal components of the rest-frame continuum: a few numbers for the ages, metals and dust of a stellar population.

The components were computed from synthetic stellar populations (`benchmarks/shipped_weights/continuum_components.py`). A
spectrum that covers a part of their range is fitted where it has pixels; the variance of the components in the training is the
prior.

References
----------
Connolly & Szalay (1999), AJ 117, 2052 (components of spectra with gaps); Bruzual & Charlot (2003), MNRAS 344, 1000.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load

from sync.spectra.lines import MASKED_LINES

__all__ = ["BINS", "FIRST_A", "LAST_A", "ContinuumComponents", "bin_continuum", "measure_components", "shipped_components"]

Floats = NDArray[np.float64]

FIRST_A, LAST_A, BINS = 3000.0, 8600.0, 120
"""Range of the continuum in the rest frame, Angstrom, and number of bins, equal in the logarithm."""
LINE_A = 14.0
"""Half-width around an emission line that is no continuum, Angstrom."""
FEWEST_IN_BIN = 3
LEAST_COVERED = 0.5
"""Share of the bins that a spectrum must have; with less, the components mean little."""
MODEL_ERROR = 0.02
"""Error of the flux calibration and of the components, as a share of the flux."""


@dataclass(frozen=True, slots=True, eq=False)
class ContinuumComponents:
    """Mean and principal components of continua that are normalised to a mean of 1.

    Attributes
    ----------
    mean : ndarray, shape (BINS,)
    components : ndarray, shape (c, BINS)
    deviations : ndarray, shape (c,)
        Standard deviation of the training sample along each component.
    """

    mean: Floats
    components: Floats
    deviations: Floats

    def fit(self, flux: Floats, errors: Floats) -> tuple[Floats, Floats]:
        """Fit a continuum with gaps.

        Parameters
        ----------
        flux, errors : ndarray, shape (BINS,)
            Flux of each bin and its standard deviation; NaN in gaps.

        Returns
        -------
        ndarray, shape (c,)
            Coefficients.
        ndarray, shape (BINS,)
            Fitted continuum in the unit of `flux`.
        """
        is_finite = np.isfinite(flux) & np.isfinite(errors)
        level = float(np.median(flux[is_finite]) / np.median(self.mean[is_finite]))
        design = np.vstack([self.mean, self.components]).T
        weights = 1 / np.hypot(errors[is_finite] / level, MODEL_ERROR * np.abs(flux[is_finite] / level)).clip(1e-6, None) ** 2
        # The amplitude has no prior; the coefficients have that of the training sample.
        prior = np.diag([0.0, *1 / self.deviations**2])
        inside = design[is_finite]
        normal = inside.T @ (weights[:, None] * inside) + prior
        solution = np.linalg.solve(normal, inside.T @ (weights * flux[is_finite] / level))
        return solution[1:] / solution[0], design @ solution * level


@cache
def shipped_components() -> ContinuumComponents:
    """Read the shipped components."""
    arrays = load(files("sync.spectra").joinpath("weights/continuum.safetensors").read_bytes())
    return ContinuumComponents(*(arrays[name].astype(np.float64) for name in ("mean", "components", "deviations")))


def bin_continuum(wavelength: Floats, flux: Floats, noise: Floats | None = None) -> tuple[Floats, Floats]:
    """Return the median flux in each bin without emission lines, and its error, shape (BINS,) each; NaN in gaps.

    Parameters
    ----------
    wavelength, flux : ndarray, shape (n,)
        Rest frame, Angstrom, ascending.
    noise : ndarray, shape (n,), optional
        Without it, the error is taken from the scatter in the bin.
    """
    edges = np.geomspace(FIRST_A, LAST_A, BINS + 1)
    in_line = np.zeros(len(wavelength), bool)
    for line in MASKED_LINES:
        in_line |= np.abs(wavelength - line) < LINE_A
    values, errors = np.full(BINS, np.nan), np.full(BINS, np.nan)
    starts = np.searchsorted(wavelength, edges)
    for place, (start, stop) in enumerate(pairwise(starts.tolist())):
        pixels = np.flatnonzero(~in_line[start:stop]) + start
        if len(pixels) >= FEWEST_IN_BIN:
            values[place] = np.median(flux[pixels])
            single = np.median(noise[pixels]) if noise is not None else 1.4826 * np.median(np.abs(flux[pixels] - values[place]))
            errors[place] = 1.25 * single / np.sqrt(len(pixels))  # 1.25: of a median against a mean
    return values, errors


def measure_components(wavelength: Floats, flux: Floats, noise: Floats | None = None) -> dict[str, float]:
    """Return the coefficients of the shipped components, ``continuum_pc1`` and so on; parameters are those of `bin_continuum`.

    Without `LEAST_COVERED` of the bins, or with a continuum that is not positive, nothing is returned.
    """
    values, errors = bin_continuum(wavelength, flux, noise)
    is_finite = np.isfinite(values)
    if is_finite.mean() < LEAST_COVERED or np.median(values[is_finite]) <= 0:
        return {}
    coefficients, _ = shipped_components().fit(values, errors)
    return {f"continuum_pc{number}": float(value) for number, value in enumerate(coefficients, 1)}

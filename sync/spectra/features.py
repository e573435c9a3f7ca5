"""Numbers that describe a spectrum, for heads: the continuum, emission lines, line ratios and the 4000 Angstrom break.

Some need the rest frame. Their names begin with `REST`: they exist only where a redshift is known, and a head that predicts the
redshift must not use them. The others are in the observed frame.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, median_filter

from sync.spectra.continuum import measure_components
from sync.spectra.lines import D4000, LINES, RATIOS
from sync.spectra.spectrum import Spectrum, is_plausible_redshift

__all__ = ["REST", "measure_spectrum"]

Floats = NDArray[np.float64]

REST = "rest_"
FIRST, LAST, BINS = 3800.0, 9200.0, 18
"""Range of the continuum in Angstrom, and number of bins, equal in the logarithm."""
FEWEST_IN_BIN = 5
WINDOW_A, SIDE_A = 12.0, (18.0, 45.0)
"""Half-width in which a line is summed, and distances between which its continuum is taken, rest-frame Angstrom."""
LEAST_SNR = 3.0
PEAK_SNR = 7.0
CONTINUUM_PX, LINE_PX = 101, 2.0
"""Width of the running median of the continuum, and standard deviation of a line, pixels."""


def measure_spectrum(spectrum: Spectrum, *, redshift: float | None = None) -> dict[str, float]:
    """Measure a spectrum.

    Parameters
    ----------
    spectrum : Spectrum
    redshift : float, optional
        Known redshift; without it nothing is measured in the rest frame.

    Returns
    -------
    dict
        Name to a finite number; what the spectrum does not cover or show is left out.

        - ``continuum_00`` to ``continuum_17``: log of the flux in bins from 3800 to 9200 Angstrom, relative to its median;
        - ``line_log_wavelength``: log10 of the wavelength of the most significant emission line, if it exceeds 7 sigma, and
          ``second_line_log_wavelength``;
        - ``break_log_wavelength`` and ``break_strength``: the largest step of the continuum;
        - ``rest_d4000``, ``rest_ew_LINE`` (Angstrom, positive in emission), ``rest_log_RATIO``, and ``rest_continuum_pc1`` to
          ``rest_continuum_pc6``: principal components of the continuum.
    """
    values = _continuum(spectrum) | _observed_lines(spectrum) | _largest_break(spectrum)
    if redshift is not None and is_plausible_redshift(redshift):
        rest = _rest_frame(spectrum, redshift)
        rest |= measure_components(spectrum.wavelength / (1 + redshift), spectrum.flux, spectrum.noise)
        values |= {f"{REST}{name}": value for name, value in rest.items()}
    return {name: float(value) for name, value in values.items() if math.isfinite(value)}


def _continuum(spectrum: Spectrum) -> dict[str, float]:
    edges = np.geomspace(FIRST, LAST, BINS + 1)
    scale = float(np.median(spectrum.flux))
    if scale <= 0:
        return {}
    values = {}
    for number, (low, high) in enumerate(pairwise(edges)):
        inside = spectrum.flux[(spectrum.wavelength >= low) & (spectrum.wavelength < high)]
        if len(inside) >= FEWEST_IN_BIN:
            values[f"continuum_{number:02d}"] = math.log10(max(float(np.median(inside)) / scale, 1e-2))
    return values


def _observed_lines(spectrum: Spectrum) -> dict[str, float]:
    """Find the two most significant emission lines by a matched filter on the flux above the running median."""
    if len(spectrum.flux) < 2 * CONTINUUM_PX:
        return {}
    residual = spectrum.flux - median_filter(spectrum.flux, CONTINUUM_PX, mode="nearest")
    noise = spectrum.noise if spectrum.noise is not None else np.full(len(residual), 1.4826 * np.median(np.abs(residual)) or 1)
    weights = 1 / np.maximum(noise, 1e-30) ** 2
    signal = gaussian_filter1d(residual * weights, LINE_PX) / np.sqrt(np.maximum(gaussian_filter1d(weights, LINE_PX), 1e-60))
    signal *= math.sqrt(2 * math.sqrt(math.pi) * LINE_PX)  # of a Gaussian filter on white noise
    values = {}
    for name in ("line_log_wavelength", "second_line_log_wavelength"):
        peak = int(signal.argmax())
        if signal[peak] < PEAK_SNR:
            break
        values[name] = math.log10(spectrum.wavelength[peak])
        distance = np.abs(spectrum.wavelength / spectrum.wavelength[peak] - 1)
        signal[distance < 0.02] = -np.inf  # [NII] beside Halpha, and [OIII] 4959 beside 5007, are not second lines
    return values


def _largest_break(spectrum: Spectrum) -> dict[str, float]:
    """Find where the continuum rises most from 100 Angstrom below to 100 Angstrom above, as the 4000 Angstrom break does."""
    grid = np.geomspace(FIRST, LAST, 400)
    inside = (grid > spectrum.wavelength[0] * 1.03) & (grid < spectrum.wavelength[-1] / 1.03)
    places = grid[inside]
    if not len(places):
        return {}
    sums = np.concatenate([[0.0], np.cumsum(spectrum.flux)])

    def mean(low: Floats, high: Floats) -> Floats:
        first, last = np.searchsorted(spectrum.wavelength, low), np.searchsorted(spectrum.wavelength, high)
        return np.asarray((sums[last] - sums[first]) / np.maximum(last - first, 1), np.float64)

    below, above = mean(places * 0.9725, places * 0.9975), mean(places * 1.0, places * 1.025)
    strength = np.divide(above, below, out=np.zeros(len(places)), where=below > 0)
    place = int(strength.argmax())
    return {"break_log_wavelength": math.log10(places[place]), "break_strength": min(float(strength[place]), 5.0)}


def _rest_frame(spectrum: Spectrum, redshift: float) -> dict[str, float]:
    wavelength, flux = spectrum.wavelength / (1 + redshift), spectrum.flux
    values: dict[str, float] = {}
    blue, red = ((wavelength >= low) & (wavelength <= high) for low, high in D4000)
    if min(blue.sum(), red.sum()) >= FEWEST_IN_BIN and flux[blue].mean() > 0:
        values["d4000"] = float(flux[red].mean() / flux[blue].mean())
    fluxes: dict[str, tuple[float, float]] = {}
    steps = np.gradient(wavelength)
    for name, centre in LINES.items():
        distance = np.abs(wavelength - centre)
        line, sides = distance <= WINDOW_A, (distance >= SIDE_A[0]) & (distance <= SIDE_A[1])
        if line.sum() < FEWEST_IN_BIN or sides.sum() < FEWEST_IN_BIN:
            continue
        level, scatter = float(np.median(flux[sides])), float(1.4826 * np.median(np.abs(flux[sides] - np.median(flux[sides]))))
        total = float(((flux[line] - level) * steps[line]).sum())
        error = scatter * float(np.sqrt((steps[line] ** 2).sum()))
        fluxes[name] = total, error
        if level > 0:
            values[f"ew_{name}"] = float(np.clip(total / level, -50, 500))
    for name, (upper, lower) in RATIOS.items():
        pair = [fluxes[line] for line in (upper, lower) if line in fluxes]
        if len(pair) == 2 and all(total > LEAST_SNR * error > 0 for total, error in pair):
            values[f"log_{name}"] = math.log10(pair[0][0] / pair[1][0])
    return values

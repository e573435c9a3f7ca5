"""Principal components of the continuum: they are recovered from noisy spectra with gaps, and describe real spectra."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sync.spectra.continuum import BINS, FIRST_A, LAST_A, bin_continuum, measure_components, shipped_components
from sync.spectra.features import measure_spectrum
from sync.spectra.reading import read_spectrum
from sync.spectra.spectrum import Spectrum

Floats = NDArray[np.float64]
TRUTH = np.array([1.0, -0.8, 0.5])
REAL = Path(__file__).parents[4] / "shared/data/spectra"
CENTRES_A = np.sqrt(np.geomspace(FIRST_A, LAST_A, BINS + 1)[1:] * np.geomspace(FIRST_A, LAST_A, BINS + 1)[:-1])


def galaxy(*, first: float = 3100, last: float = 8500, noise: float = 0.02) -> tuple[Floats, Floats, Floats]:
    """Return wavelengths, fluxes and noise of a continuum with known coefficients, in any unit, and a strong line."""
    components = shipped_components()
    continuum = components.mean + (TRUTH * components.deviations[:3]) @ components.components[:3]
    wavelength = np.asarray(np.geomspace(first, last, 4000), np.float64)
    flux = 7.0 * np.interp(wavelength, CENTRES_A, continuum)
    flux += np.random.default_rng(0).normal(0, 7 * noise, len(flux)) + 200 * np.exp(-0.5 * ((wavelength - 6564.6) / 3) ** 2)
    return wavelength, flux, np.full(len(flux), 7 * noise)


@pytest.mark.parametrize("reach", [(3100, 8500), (3100, 6200), (4000, 8500)], ids=["whole", "no red part", "no blue part"])
def test_coefficients_are_recovered_where_the_spectrum_covers_a_part(reach: tuple[float, float]) -> None:
    values = measure_components(*galaxy(first=reach[0], last=reach[1]))
    ratios = np.array([values[f"continuum_pc{number}"] for number in (1, 2, 3)]) / shipped_components().deviations[:3]
    assert ratios == pytest.approx(TRUTH, abs=0.25)


def test_a_short_or_negative_spectrum_has_no_coefficients() -> None:
    assert measure_components(*galaxy(first=5000, last=6000)) == {}
    wavelength, flux, noise = galaxy()
    assert measure_components(wavelength, -flux, noise) == {}


def test_without_errors_the_scatter_is_used() -> None:
    wavelength, flux, _ = galaxy()
    _, errors = bin_continuum(wavelength, flux)
    assert np.nanmedian(errors) == pytest.approx(7 * 0.02 * 1.25 / np.sqrt(33), rel=0.3)
    assert measure_components(wavelength, flux).keys() == measure_components(*galaxy()).keys()


def test_coefficients_exist_only_with_a_known_redshift() -> None:
    wavelength, flux, noise = galaxy()
    spectrum = Spectrum(wavelength * 1.1, flux, noise)
    for unknown in (None, -99.0, 99.0, float("nan")):
        assert not any(name.startswith("rest_") for name in measure_spectrum(spectrum, redshift=unknown))
    values = measure_spectrum(spectrum, redshift=0.1)
    assert values["rest_continuum_pc1"] == pytest.approx(shipped_components().deviations[0], rel=0.2)


@pytest.mark.skipif(not REAL.exists(), reason="the folder shared/data/spectra is absent")
def test_real_spectra_are_described_to_three_percent() -> None:
    with (REAL / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        spectrum = read_spectrum((REAL / row["spectrum"]).read_bytes())
        values, errors = bin_continuum(spectrum.wavelength / (1 + float(row["zspec"])), spectrum.flux, spectrum.noise)
        coefficients, fitted_values = shipped_components().fit(values, errors)
        assert np.nanmedian(np.abs(values / fitted_values - 1)) < 0.03
        assert (np.abs(coefficients / shipped_components().deviations) < 4).all()

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sync.spectra.features import measure_spectrum
from sync.spectra.plotting import draw_spectrum
from sync.spectra.reading import read_spectrum
from sync.spectra.spectrum import Spectrum

REAL = Path(__file__).parents[4] / "shared" / "data" / "spectra" / "spectra"


def galaxy(redshift: float, *, noise: float = 0.05, n2: float = 0.3) -> Spectrum:
    """Return a spectrum with a 4000 Angstrom break of 1.6, and Halpha and [NII] in emission."""
    wavelength = np.asarray(np.geomspace(3800, 9200, 3800), np.float64)
    rest_wavelength = wavelength / (1 + redshift)
    flux = np.where(rest_wavelength < 3975, 1.0, 1.6)
    flux += 8 * np.exp(-0.5 * ((rest_wavelength - 6564.6) / 2.5) ** 2) + 8 * n2 * np.exp(
        -0.5 * ((rest_wavelength - 6585.3) / 2.5) ** 2
    )
    flux += np.random.default_rng(0).normal(0, noise, len(rest_wavelength))
    return Spectrum(wavelength, flux, np.full(len(rest_wavelength), noise))


@pytest.mark.parametrize("redshift", [0.03, 0.1, 0.2])
def test_the_break_and_the_line_give_the_redshift_in_the_observed_frame(redshift: float) -> None:
    measurement = measure_spectrum(galaxy(redshift))
    assert 10 ** measurement["line_log_wavelength"] / 6564.6 - 1 == pytest.approx(redshift, abs=0.001)
    assert 10 ** measurement["break_log_wavelength"] / 3985 - 1 == pytest.approx(redshift, abs=0.01)
    assert not any(name.startswith("rest_") for name in measurement)


def test_the_rest_frame_is_measured_where_a_redshift_is_known() -> None:
    measurement = measure_spectrum(galaxy(0.1), redshift=0.1)
    assert measurement["rest_d4000"] == pytest.approx(1.6, abs=0.02)
    assert measurement["rest_ew_halpha"] == pytest.approx(8 * 2.5 * np.sqrt(2 * np.pi) / 1.6, rel=0.1)
    assert "rest_log_r3" not in measurement  # without [OIII] and Hbeta


def test_every_measurement_is_finite_whatever_the_flux() -> None:
    rng = np.random.default_rng(1)
    for flux in (rng.normal(0, 1, 60), np.full(60, -3.0), rng.normal(0, 1e30, 60), np.abs(rng.normal(0, 1e-18, 5000))):
        wavelength = np.asarray(np.linspace(4000, 9000, len(flux)), np.float64)
        assert all(np.isfinite(value) for value in measure_spectrum(Spectrum(wavelength, flux), redshift=0.1).values())
        assert draw_spectrum(Spectrum(wavelength, flux))


def test_the_plot_is_an_image_with_the_curve() -> None:
    image = Image.open(io.BytesIO(draw_spectrum(galaxy(0.1), redshift=0.1, title="galaxy 7")))
    assert image.size == (900, 450)
    assert len(np.unique(np.asarray(image).reshape(-1, 3), axis=0)) > 3


@pytest.mark.skipif(not REAL.exists(), reason=f"no spectra of SDSS in {REAL}")
def test_real_galaxies_have_their_break_at_4000_angstrom() -> None:
    for path in sorted(REAL.glob("*.fits")):
        spectrum = read_spectrum(path.read_bytes())
        assert spectrum.redshift is not None
        measurement = measure_spectrum(spectrum, redshift=spectrum.redshift)
        assert 10 ** measurement["break_log_wavelength"] / (1 + spectrum.redshift) == pytest.approx(3988, abs=20)
        assert 1.1 < measurement["rest_d4000"] < 2.2

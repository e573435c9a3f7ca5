from __future__ import annotations

import gzip
import io
import time
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from sync.errors.spectra import SpectrumError
from sync.spectra.reading import read_spectrum

WAVELENGTH = np.arange(3800.0, 9200.0, 2.0)
FLUX = 10 + np.sin(WAVELENGTH / 500)
REAL = Path(__file__).parents[4] / "shared" / "data" / "spectra" / "spectra"


def fits_of(*parts: fits.hdu.base.ExtensionHDU) -> bytes:
    content = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), *parts]).writeto(content)
    return content.getvalue()


def table(name: str = "COADD", **columns: np.ndarray) -> fits.BinTableHDU:
    return fits.BinTableHDU.from_columns([fits.Column(key, "D", array=values) for key, values in columns.items()], name=name)


def text(*columns: np.ndarray, header: str = "", separator: str = ",") -> bytes:
    lines = [separator.join(str(value) for value in row) for row in zip(*columns, strict=True)]
    return "\n".join([*([header] if header else []), *lines]).encode()


def desi(spectra: int = 1) -> bytes:
    parts = []
    for arm, (low, high) in {"B": (3600, 5800), "R": (5760, 7620), "Z": (7520, 9824)}.items():
        wavelength = np.arange(low, high, 0.8)
        flux = np.tile(10 + np.sin(wavelength / 500), (spectra, 1))
        parts += [
            fits.ImageHDU(wavelength, name=f"{arm}_WAVELENGTH"),
            fits.ImageHDU(flux, name=f"{arm}_FLUX"),
            fits.ImageHDU(np.ones_like(flux), name=f"{arm}_IVAR"),
        ]
    return fits_of(*parts)


def several_rows() -> fits.BinTableHDU:
    size = f"{len(FLUX)}D"
    columns = {"wavelength": np.tile(WAVELENGTH, (3, 1)), "flux": np.tile(FLUX, (3, 1))}
    return fits.BinTableHDU.from_columns([fits.Column(name, size, array=rows) for name, rows in columns.items()])


def with_units(wavelength: str, flux: str, *, factor: np.ndarray | float = 1.0) -> fits.BinTableHDU:
    columns = {"wavelength": (WAVELENGTH, wavelength), "flux": (FLUX * factor, flux), "error": (0.1 * factor + 0 * FLUX, flux)}
    return fits.BinTableHDU.from_columns(
        [fits.Column(name, "D", unit=unit, array=values) for name, (values, unit) in columns.items()]
    )


@pytest.mark.parametrize(
    "content",
    [
        fits_of(table(flux=FLUX, loglam=np.log10(WAVELENGTH), ivar=np.ones(len(FLUX)))),
        gzip.compress(fits_of(table(FLUX=FLUX, WAVELENGTH=WAVELENGTH))),
        desi(),
        text(WAVELENGTH, FLUX, header="wavelength,flux"),
        text(WAVELENGTH, FLUX, header="# a comment\nWave Flux", separator=" "),
        text(WAVELENGTH, FLUX, separator="\t"),
        text(WAVELENGTH, FLUX, header="wavelength;flux", separator=";"),
        fits_of(with_units("AA", "10^-17 erg")),
        text(WAVELENGTH, FLUX, np.zeros(len(FLUX)), header="wavelength,flux,err"),
        text(WAVELENGTH / 10, FLUX, header="lambda,flux"),
        text(WAVELENGTH / 1e4, FLUX, np.ones(len(FLUX)), header="wavelength,flux,err"),
    ],
    ids=[
        "sdss",
        "table.gz",
        "desi",
        "csv",
        "spaces",
        "bare",
        "semicolons",
        "other names of units",
        "errors of zero",
        "nm",
        "micron",
    ],
)
def test_the_formats_of_surveys_give_the_same_spectrum(content: bytes) -> None:
    spectrum = read_spectrum(content)
    assert 3590 < spectrum.wavelength[0] < 3810
    assert 9190 < spectrum.wavelength[-1] < 9830
    assert (np.diff(spectrum.wavelength) >= 0).all()
    assert spectrum.flux == pytest.approx(10 + np.sin(spectrum.wavelength / 500), abs=1e-5)


def test_a_flux_per_frequency_is_converted_with_its_error() -> None:
    per_wavelength = read_spectrum(fits_of(with_units("Angstrom", "erg/(s cm2 Angstrom)")))
    per_frequency = read_spectrum(fits_of(with_units("Angstrom", "Jy", factor=WAVELENGTH**2)))
    ratio = per_frequency.flux / per_wavelength.flux
    assert ratio == pytest.approx(np.full(len(ratio), ratio[0]))
    assert per_wavelength.noise is not None
    assert per_frequency.noise == pytest.approx(ratio[0] * per_wavelength.noise)


def test_missing_pixels_are_left_out() -> None:
    flux, ivar = FLUX.copy(), np.full(len(FLUX), 4.0)
    flux[:5], flux[5:10], ivar[10:30] = np.nan, -999, 0
    spectrum = read_spectrum(fits_of(table(flux=flux, loglam=np.log10(WAVELENGTH), ivar=ivar)))
    assert len(spectrum.flux) == len(FLUX) - 30
    assert spectrum.noise == pytest.approx(np.full(len(FLUX) - 30, 0.5))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (fits_of(table(flux=FLUX, ivar=np.ones(len(FLUX)))), "has no wavelengths, such as a column wavelength or loglam"),
        (fits_of(fits.ImageHDU(FLUX)), "has no table with a column of flux"),
        (fits_of(table(loglam=np.log10(WAVELENGTH))), "has no table with a column of flux"),
        (text(FLUX, header="flux"), "has no wavelengths"),
        (text(FLUX), "has no wavelengths"),
        (text(WAVELENGTH, np.full(len(FLUX), np.nan), header="wavelength,flux"), "0 pixels with a wavelength and a flux"),
        (text(WAVELENGTH, np.zeros(len(FLUX)), header="wavelength,flux"), "zero everywhere"),
        (text(WAVELENGTH, np.full(len(FLUX), 99.0), header="wavelength,flux"), "is 99 in all pixels"),
        (bytes(500), "neither FITS nor a text table: it has binary content"),
        (text(WAVELENGTH, -FLUX, header="wavelength,flux"), "above zero in 0% of its pixels: its sign may be wrong"),
        (fits_of(table(flux=-FLUX, loglam=np.log10(WAVELENGTH), ivar=np.ones(len(FLUX)))), "above zero in 0% of its pixels"),
        (
            fits_of(table(flux=FLUX, loglam=np.log10(WAVELENGTH), ivar=np.zeros(len(FLUX)))),
            "0 pixels with a wavelength and a flux with an error above 0",
        ),
        (
            fits_of(table(flux=FLUX * np.nan, loglam=np.log10(WAVELENGTH), ivar=np.ones(len(FLUX)))),
            "0 pixels with a wavelength and a flux",
        ),
        (text(WAVELENGTH[:2], FLUX[:2], header="wavelength,flux"), "2 pixels with a wavelength and a flux"),
        (
            text(WAVELENGTH, np.array(["bright"] * len(FLUX)), header="wavelength,flux"),
            "column 'flux' of the spectrum holds text",
        ),
        (desi(spectra=3), "the file has 3 spectra"),
        (fits_of(several_rows()), "the file has 3 spectra"),
        (text(np.tile(WAVELENGTH, 2), np.tile(FLUX, 2)), "50% of the pixels of the spectrum have the wavelength of another"),
        (text(np.arange(len(FLUX)), FLUX, header="wavelength,flux"), "'wavelength' counts the pixels"),
        (text(WAVELENGTH * 1e-10, FLUX, header="wavelength,flux"), "median of 0.0065 Angstrom.*give their unit"),
        (text(WAVELENGTH, FLUX * 1e300, header="wavelength,flux"), "reaches .* which no flux does"),
        (fits_of(with_units("AA", "mag(AB)")), "must be a flux, not a magnitude"),
        (fits_of(with_units("kg", "Jy")), "the unit 'kg', which is no unit of wavelength"),
        (b"This is a letter.", "no column of flux"),
        (b"/etc/passwd", "cannot be read as a table|no column of flux|no wavelengths"),
        (b"", "is empty"),
        (b"\xff\xfe\x00spectrum", "neither FITS nor a text table"),
        (b"SIMPLE  =                    T", "truncated inside a header"),
    ],
)
def test_a_file_without_a_spectrum_is_refused_in_one_sentence(content: bytes, reason: str) -> None:
    with pytest.raises(SpectrumError, match=reason) as error:
        read_spectrum(content)
    assert "\n" not in str(error.value)


def compressed_arms() -> list[fits.CompImageHDU]:
    zeros = np.zeros((3000, 3000), np.int16)
    return [fits.CompImageHDU(zeros, name=name, compression_type="RICE_1") for name in ("B_WAVELENGTH", "B_FLUX")]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (fits_of(*compressed_arms()), r"an image of \[3000, 3000\] pixels"),
        (b"wavelength,flux\n" + b"4000,1\n" * 600_000, "600001 lines, more than the 500000"),
        (b"1," * 2_000_000 + b"\n", "more than 200 columns"),
        (b"# %ECSV 1.0\n# ---\n" + b"# - {a: [1, 2]}\n" * 20_000 + b"a b\n", "comments of 3"),
        (gzip.compress(bytes(40_000_000)), "more than 33554432 bytes"),
        (gzip.compress(text(WAVELENGTH, FLUX))[:-40], "gzipped file of the spectrum is damaged"),
    ],
    ids=["compressed images", "long", "wide", "YAML", "gzip", "truncated"],
)
def test_a_file_that_would_cost_much_is_rejected_at_once(content: bytes, reason: str) -> None:
    start_s = time.process_time()
    with pytest.raises(SpectrumError, match=reason):
        read_spectrum(content)
    assert time.process_time() - start_s < 1.0


def test_a_gzipped_text_table_is_read() -> None:
    content = text(WAVELENGTH, FLUX, header="wavelength,flux")
    assert read_spectrum(gzip.compress(content)).flux == pytest.approx(read_spectrum(content).flux)


@pytest.mark.skipif(not REAL.exists(), reason=f"no spectra of SDSS in {REAL}")
def test_spectra_of_sdss_are_read_with_their_redshift() -> None:
    spectra = [read_spectrum(path.read_bytes()) for path in sorted(REAL.glob("*.fits"))]
    assert len(spectra) == 6
    for spectrum in spectra:
        assert spectrum.redshift is not None
        assert 0.02 < spectrum.redshift < 0.15
        assert spectrum.noise is not None

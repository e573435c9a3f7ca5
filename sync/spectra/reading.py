"""Reads spectra: coadds of SDSS and DESI, other FITS tables, and text tables with a wavelength and a flux in each line."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
from astropy import units
from astropy.io import ascii, fits
from astropy.table import Table
from astropy.utils.exceptions import AstropyWarning
from numpy.typing import NDArray

from sync.errors.images import ImageError
from sync.errors.spectra import SpectrumError
from sync.images.fits.opening import open_fits
from sync.spectra.limits import MAX_PIXELS, check_text, unpack
from sync.spectra.spectrum import Spectrum

__all__ = ["read_spectrum"]

Floats = NDArray[np.float64]

WAVELENGTHS = ("wavelength", "wave", "lambda", "lam", "wl", "wavelen", "angstrom", "lambda_obs", "wave_obs")
LOG_WAVELENGTHS = ("loglam", "log_lambda", "loglambda", "logwave")
FLUXES = ("flux", "flam", "f_lambda", "flux_density", "fluxdensity", "spec", "coadd_flux")
INVERSE_VARIANCES = ("ivar", "inverse_variance", "invvar")
ERRORS = ("error", "err", "flux_err", "flux_error", "fluxerr", "sigma", "e_flux", "noise", "flux_sigma", "uncertainty")
ARMS = ("B", "R", "Z")
"""Arms of DESI, from the bluest; each has a wavelength, a flux and an inverse variance in a HDU of its own."""
NUMERIC = re.compile(r"^\s*[+-]?(\d|\.\d)")
UNIT_NAMES = {
    **dict.fromkeys(("a", "aa", "ang", "angs", "angstroms"), "Angstrom"),
    **dict.fromkeys(("nanometer", "nanometers", "nanometre", "nanometres"), "nm"),
    **dict.fromkeys(("micron", "microns", "micrometer", "micrometers"), "um"),
}
"""Names of units that files use and the FITS standard does not have."""
MICRON_BELOW, NANOMETRE_BELOW = 50.0, 2500.0
"""Medians of wavelengths without a unit: below 50 they are microns, below 2500 nanometres. Optical and infrared spectra lie at
3000 to 25000 Angstrom."""


def read_spectrum(content: bytes) -> Spectrum:
    """Read the only spectrum of a file.

    Parameters
    ----------
    content : bytes
        FITS or a text table (CSV, ECSV, or columns separated by spaces), which may be gzipped. Wavelengths without a unit are
        Angstrom, or, if they are that small, nanometres or microns.

    Raises
    ------
    SpectrumError
        If the file has no spectrum, several, or one without wavelengths, or is larger than a file with one spectrum.
    """
    data = unpack(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)
        return _read_fits(data) if data.startswith(b"SIMPLE") else _read_text(data)


def _read_fits(data: bytes) -> Spectrum:
    try:
        with open_fits(data, max_pixels=MAX_PIXELS) as file:
            arms = [arm for arm in ARMS if f"{arm}_WAVELENGTH" in file and f"{arm}_FLUX" in file]
            if arms:
                return _join_arms(file, arms)
            for hdu in file:
                if isinstance(hdu, fits.BinTableHDU | fits.TableHDU) and _match(hdu.columns.names, FLUXES):
                    return _read_columns(Table.read(hdu), redshift=_redshift_in(file))
            names = ", ".join(name for hdu in file if isinstance(hdu, fits.BinTableHDU) for name in hdu.columns.names[:8])
    except SpectrumError:
        raise
    except ImageError as error:
        raise SpectrumError(str(error)) from error
    # astropy raises many exceptions for damaged files (OSError, TypeError, ValueError, VerifyError …).
    except Exception as error:
        raise SpectrumError(f"the FITS file cannot be read as a spectrum: {error}") from error
    columns = f"its columns are {names}" if names else "it has no table; an image without a table of wavelengths is not read"
    raise SpectrumError(f"the FITS file has no table with a column of flux: {columns}")


def _join_arms(file: fits.HDUList, arms: Iterable[str]) -> Spectrum:
    """Join the arms of DESI; where two overlap, both have their pixels."""
    wavelengths, fluxes, variances = [], [], []
    for arm in arms:
        wavelength = np.asarray(file[f"{arm}_WAVELENGTH"].data, np.float64)
        flux = np.atleast_2d(np.asarray(file[f"{arm}_FLUX"].data, np.float64))
        if len(flux) != 1:
            raise SpectrumError(f"the file has {len(flux)} spectra: a task needs a file with its own spectrum only")
        name = f"{arm}_IVAR"
        variance = np.atleast_2d(np.asarray(file[name].data, np.float64)) if name in file else np.ones_like(flux)
        wavelengths.append(wavelength)
        fluxes.append(flux[0])
        variances.append(variance[0])
    return Spectrum.of_arrays(
        np.concatenate(wavelengths), np.concatenate(fluxes), np.concatenate(variances), redshift=_redshift_in(file)
    )


def _read_text(data: bytes) -> Spectrum:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SpectrumError("the file is neither FITS nor a text table in UTF-8") from error
    if "\0" in text:
        raise SpectrumError("the file is neither FITS nor a text table: it has binary content")
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        raise SpectrumError("the file of the spectrum is empty")
    first = next((line for line in lines if not line.lstrip().startswith("#")), "")
    check_text(lines, first)
    try:
        if text.startswith("# %ECSV"):
            table = ascii.read(text.splitlines(), format="ecsv")
        else:
            form = "csv" if "," in first or ";" in first else "tab" if "\t" in first else "basic"
            bare = NUMERIC.match(first) is not None
            comma = "," if "," in first else ";"
            options: dict[str, Any] = {"delimiter": {"csv": comma, "tab": "\t", "basic": r"\s"}[form]}
            options = options if bare or form == "csv" else {}
            # A list of lines: astropy takes a text of one line for the path of a file, and reads that.
            table = ascii.read(lines, format="no_header" if bare else form, guess=False, comment="#", **options)
            if bare:
                table = _name_bare_columns(table)
    except SpectrumError:
        raise
    # The readers raise undocumented exceptions (InconsistentTableError, ValueError, IndexError …).
    except Exception as error:
        raise SpectrumError(f"the text file cannot be read as a table of wavelengths and fluxes: {error}") from error
    return _read_columns(table, redshift=None)


def _name_bare_columns(table: Table) -> Table:
    """Name the columns of a table without names: wavelength, flux and, if there is a third one, the error."""
    if len(table.colnames) == 1:
        raise SpectrumError("the spectrum has no wavelengths: its lines have one number")
    for old, new in zip(table.colnames, ("wavelength", "flux", "error"), strict=False):
        table.rename_column(old, new)
    return table


def _read_columns(table: Table, *, redshift: float | None) -> Spectrum:
    column_names = ", ".join(table.colnames[:12])
    flux_name = _match(table.colnames, FLUXES)
    if flux_name is None:
        raise SpectrumError(f"the table has no column of flux, such as flux: its columns are {column_names}")
    log_name, linear_name = _match(table.colnames, LOG_WAVELENGTHS), _match(table.colnames, WAVELENGTHS)
    if log_name is None and linear_name is None:
        raise SpectrumError(
            f"the spectrum has no wavelengths, such as a column wavelength or loglam: its columns are {column_names}"
        )
    wavelength = 10 ** _numbers(table, log_name) if log_name else _angstrom(table, str(linear_name))
    variance_name, error_name = _match(table.colnames, INVERSE_VARIANCES), _match(table.colnames, ERRORS)
    variance = _numbers(table, variance_name) if variance_name else None
    if variance is None and error_name:
        error = _numbers(table, error_name)
        if np.any(error > 0):  # errors that are all 0 are unknown
            variance = np.where(error > 0, 1 / np.where(error > 0, error, 1) ** 2, 0)
    flux, scale = _per_wavelength(_numbers(table, flux_name), table[flux_name].unit, wavelength)
    return Spectrum.of_arrays(wavelength, flux, None if variance is None else variance / scale**2, redshift=redshift)


def _per_wavelength(flux: Floats, unit: Any, wavelength: Floats) -> tuple[Floats, Floats]:
    """Return the flux per unit of wavelength, and what it was multiplied by, shape (n,) each; other units are kept."""
    unit_errors = np.ones(len(flux))
    try:
        flux_unit = units.Unit(unit) if unit is not None else units.dimensionless_unscaled
    except (ValueError, TypeError):
        return flux, unit_errors  # many files have units such as "1e-17 erg" that no standard has
    if str(unit).lower().startswith("mag"):
        raise SpectrumError(f"the flux of the spectrum is in {unit}: it must be a flux, not a magnitude")
    if not flux_unit.is_equivalent(units.Jy):
        return flux, unit_errors
    valid = wavelength > 0
    scale = np.where(valid, (np.median(wavelength[valid]) if valid.any() else 1) / np.where(valid, wavelength, 1), 0) ** 2
    return flux * scale, np.where(valid, scale, 1)


def _angstrom(table: Table, name: str) -> Floats:
    values = _numbers(table, name)
    unit = table[name].unit
    if unit is not None:
        try:
            known_unit = units.Unit(UNIT_NAMES.get(str(unit).strip().lower(), unit))
            return np.asarray((values * known_unit).to_value("Angstrom", equivalencies=units.spectral()), np.float64)
        except (units.UnitConversionError, ValueError, TypeError) as error:
            raise SpectrumError(f"the wavelengths have the unit {str(unit)!r}, which is no unit of wavelength") from error
    finite_values = values[np.isfinite(values)]
    median = float(np.median(finite_values)) if len(finite_values) else 0.0
    if (
        len(finite_values) > 1
        and finite_values[0] in (0, 1)
        and np.array_equal(finite_values, np.arange(len(finite_values)) + finite_values[0])
    ):
        raise SpectrumError(f"the column {name!r} counts the pixels: the spectrum has no wavelengths")
    return values * (1e4 if median < MICRON_BELOW else 10 if median < NANOMETRE_BELOW else 1)


def _numbers(table: Table, name: str | None) -> Floats:
    column = table[name]
    filled_column = column.filled(np.nan) if hasattr(column, "filled") and column.dtype.kind == "f" else column
    try:
        values = np.asarray(filled_column, np.float64)
    except (TypeError, ValueError) as error:
        raise SpectrumError(f"the column {name!r} of the spectrum holds text") from error
    if values.ndim > 1 and len(values) > 1:
        raise SpectrumError(f"the file has {len(values)} spectra: a task needs a file with its own spectrum only")
    return np.ravel(values)


def _match(names: Iterable[str], known_names: tuple[str, ...]) -> str | None:
    by_name = {re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_"): name for name in names}
    return next((by_name[name] for name in known_names if name in by_name), None)


def _redshift_in(file: fits.HDUList) -> float | None:
    """Return the redshift that the pipeline of SDSS or DESI wrote into the file, if it warns of nothing."""
    for name in ("SPECOBJ", "SPALL", "REDSHIFTS", "ZBEST"):
        if name in file and len(file[name].data):
            row, columns = file[name].data[0], file[name].columns.names
            warning = next(
                (int(row[column]) for column in columns if column.upper() == "ZWARNING" or column.upper() == "ZWARN"), 0
            )
            value = next((float(row[column]) for column in columns if column.upper() == "Z"), np.nan)
            if warning == 0 and np.isfinite(value) and value > -0.01:
                return value
    return None

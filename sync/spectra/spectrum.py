"""A spectrum: flux by wavelength in the observed frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from sync.errors.spectra import SpectrumError

__all__ = ["Spectrum", "is_plausible_redshift"]

Floats = NDArray[np.float64]

FEWEST_PIXELS = 50
LEAST_ANGSTROM, MOST_ANGSTROM = 100.0, 1e7
"""Medians of wavelengths outside are of another unit: the range is that from the far ultraviolet to millimetres."""
LARGEST_FLUX = 1e60
LEAST_REDSHIFT, LARGEST_REDSHIFT = -0.01, 20.0
MARKS_OF_MISSING = (-99.0, -99.9, -99.99, -999.0, -999.9, -9999.0, -99999.0)
"""Fluxes that files write for a missing pixel."""
LEAST_POSITIVE = 0.1
"""Share of the pixels that must have a flux above zero: where a spectrum has noise and no signal, one half has."""
MOST_EQUAL = 0.3
"""Share of the pixels that may have the wavelength of another one, as where two arms of an instrument overlap."""


@dataclass(frozen=True, slots=True, eq=False)
class Spectrum:
    """A spectrum without missing pixels.

    Attributes
    ----------
    wavelength : ndarray, shape (n,)
        Angstrom, observed frame, ascending.
    flux : ndarray, shape (n,)
        Per unit of wavelength, in any unit.
    noise : ndarray, shape (n,), or None
        Standard deviation of the flux; None if the file has no errors.
    redshift : float or None
        Redshift that the file states.
    """

    wavelength: Floats
    flux: Floats
    noise: Floats | None = None
    redshift: float | None = None

    @classmethod
    def of_arrays(
        cls, wavelength: Floats, flux: Floats, inverse_variance: Floats | None = None, *, redshift: float | None = None
    ) -> Self:
        """Create a spectrum from the arrays of a file, without its missing pixels.

        Parameters
        ----------
        wavelength, flux : ndarray, shape (n,)
        inverse_variance : ndarray, shape (n,), optional
            0 marks a missing pixel.
        redshift : float, optional

        Raises
        ------
        SpectrumError
            If shapes differ, or fewer than `FEWEST_PIXELS` pixels have a wavelength and a flux.
        """
        if wavelength.shape != flux.shape or wavelength.ndim != 1:
            raise SpectrumError(f"the spectrum has {flux.size} fluxes and {wavelength.size} wavelengths: it needs as many")
        valid = np.isfinite(wavelength) & np.isfinite(flux) & (wavelength > 0) & ~np.isin(flux, MARKS_OF_MISSING)
        if inverse_variance is not None:
            if inverse_variance.shape != flux.shape:
                raise SpectrumError(f"the spectrum has {flux.size} fluxes and {inverse_variance.size} errors: it needs as many")
            valid &= np.isfinite(inverse_variance) & (inverse_variance > 0)
        count = int(valid.sum())
        if count < FEWEST_PIXELS:
            error = "" if inverse_variance is None else " with an error above 0"
            raise SpectrumError(
                f"the spectrum has {count} pixels with a wavelength and a flux{error}, and at least {FEWEST_PIXELS} are needed"
            )
        order = np.flatnonzero(valid)[np.argsort(wavelength[valid], kind="stable")]
        if not np.any(flux[order]):
            raise SpectrumError("the flux of the spectrum is zero everywhere")
        if np.ptp(flux[order]) == 0:
            raise SpectrumError(f"the flux of the spectrum is {flux[order][0]:.6g} in all pixels: it has no measurement")
        positive_share = float((flux[order] > 0).mean())
        if positive_share < LEAST_POSITIVE:
            raise SpectrumError(
                f"the flux of the spectrum is above zero in {positive_share:.0%} of its pixels: its sign may be wrong, "
                "or the sky was subtracted twice"
            )
        if np.abs(flux[order]).max() > LARGEST_FLUX:
            raise SpectrumError(f"the flux of the spectrum reaches {np.abs(flux[order]).max():.3g}, which no flux does")
        _check_wavelengths(wavelength[order])
        noise = None if inverse_variance is None else 1 / np.sqrt(inverse_variance[order])
        return cls(wavelength[order], flux[order], noise, redshift)


def is_plausible_redshift(value: float) -> bool:
    """Return whether a number can be the redshift of a galaxy: catalogues write -9 or 99 where none was measured."""
    return LEAST_REDSHIFT < value < LARGEST_REDSHIFT


def _check_wavelengths(wavelength: Floats) -> None:
    median = float(np.median(wavelength))
    if not LEAST_ANGSTROM <= median <= MOST_ANGSTROM:
        raise SpectrumError(
            f"the wavelengths have a median of {median:.3g} Angstrom, which no spectrum of a galaxy has: give their unit"
        )
    equal = 1 - len(np.unique(wavelength)) / len(wavelength)
    if equal > MOST_EQUAL:
        raise SpectrumError(
            f"{equal:.0%} of the pixels of the spectrum have the wavelength of another one: the file may hold several spectra"
        )

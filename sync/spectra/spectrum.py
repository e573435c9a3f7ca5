"""A spectrum: flux by wavelength in the observed frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from sync.errors.spectra import SpectrumError

__all__ = ["Spectrum"]

Floats = NDArray[np.float64]

FEWEST_PIXELS = 50


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
        valid = np.isfinite(wavelength) & np.isfinite(flux) & (wavelength > 0)
        if inverse_variance is not None:
            if inverse_variance.shape != flux.shape:
                raise SpectrumError(f"the spectrum has {flux.size} fluxes and {inverse_variance.size} errors: it needs as many")
            valid &= np.isfinite(inverse_variance) & (inverse_variance > 0)
        count = int(valid.sum())
        if count < FEWEST_PIXELS:
            raise SpectrumError(
                f"the spectrum has {count} pixels with a wavelength and a flux, and at least {FEWEST_PIXELS} are needed"
            )
        order = np.flatnonzero(valid)[np.argsort(wavelength[valid], kind="stable")]
        if not np.any(flux[order]):
            raise SpectrumError("the flux of the spectrum is zero everywhere")
        noise = None if inverse_variance is None else 1 / np.sqrt(inverse_variance[order])
        return cls(wavelength[order], flux[order], noise, redshift)

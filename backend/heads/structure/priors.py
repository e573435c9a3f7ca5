"""What simulated galaxies are drawn from: shapes of catalogues of fits, real PSFs, and the correlation of real noise."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table
from numpy.typing import NDArray

from backend.heads.structure.psf import Psf, make_psf

__all__ = ["Priors", "noise_kernel", "read_priors"]

HELD_OUT_EVERY = 5
"""Each fifth row of the catalogues and each fifth PSF is held out."""


@dataclass(frozen=True, slots=True, eq=False)
class Priors:
    """What simulations are drawn from.

    Attributes
    ----------
    shapes : ndarray, shape (n, 3)
        Half-light radius (semi-major axis, arcsec), index, axis ratio.
    psfs : tuple of Psf
    noise : ndarray, shape (k, k)
        Kernel that correlates white noise; the sum of its squares is 1.
    """

    shapes: NDArray[np.float64]
    psfs: tuple[Psf, ...]
    noise: NDArray[np.float64]


def read_priors(folder: Path, *, held_out: bool) -> Priors:
    """Read the catalogues of a folder: `galsim_cosmos_*.csv`, `vanderwel14_*.csv.gz`, PSFs and the noise correlation.

    Parameters
    ----------
    folder : Path
    held_out : bool
        Whether to return each fifth row and PSF, or all others.
    """
    tables = []
    for path in sorted(folder.glob("*.csv*")):
        table = Table.read(path, format="ascii.csv")
        if "flag" in table.colnames:
            good = np.asarray(table["flag"]) == 0
            tables.append(np.stack([np.asarray(table[name], float)[good] for name in ("re_arcsec", "n", "q")], axis=1))
        else:
            names = ("sersic_re_major_arcsec", "sersic_n", "sersic_q")
            # A few hundred fits in the optical stand against tens of thousands in the near infrared.
            tables.append(np.repeat(np.stack([np.asarray(table[name], float) for name in names], axis=1), 10, axis=0))
    shapes = np.concatenate(tables)
    shapes = shapes[np.isfinite(shapes).all(axis=1) & (shapes > 0).all(axis=1)]
    # Indices at the limits of a catalogue's fit are failures and not measurements.
    shapes = shapes[(shapes[:, 1] > 0.25) & (shapes[:, 1] < 7.0) & (shapes[:, 2] > 0.05)]
    _, first = np.unique(shapes, axis=0, return_inverse=True)
    shapes = shapes[(first % HELD_OUT_EVERY == 0) == held_out]
    with fits.open(folder / "hst_acs_f814w_psfs_100.fits") as file:
        psfs = [make_psf(part.data) for number, part in enumerate(file) if (number % HELD_OUT_EVERY == 0) == held_out]
    return Priors(shapes, tuple(psfs), noise_kernel(fits.getdata(folder / "acs_I_unrot_sci_20_cf.fits")))


def noise_kernel(correlation: NDArray[np.floating], *, reach: int = 6) -> NDArray[np.float64]:
    """Return the kernel that gives white noise a correlation, shape (2 `reach` + 1, 2 `reach` + 1)."""
    half = correlation.shape[0] // 2
    near = np.asarray(correlation, float)[half - 2 * reach : half + 2 * reach + 1, half - 2 * reach : half + 2 * reach + 1]
    power = np.fft.fft2(np.fft.ifftshift(near)).real.clip(0)
    kernel = np.fft.fftshift(np.fft.ifft2(np.sqrt(power)).real)[reach : 3 * reach + 1, reach : 3 * reach + 1]
    return np.asarray(kernel / np.sqrt((kernel**2).sum()), np.float64)

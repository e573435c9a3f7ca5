"""Cut-outs as FITS files: a plane a band, named, with world coordinates."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray

__all__ = ["write_cube"]


def write_cube(planes: NDArray[np.float32] | NDArray[np.uint8], wcs: WCS, *, bands: Sequence[str], unit: str = "") -> bytes:
    """Write bands into one FITS file; the same values give the same bytes.

    Parameters
    ----------
    planes : ndarray, shape (n, height, width)
    wcs : WCS
        Of the planes, celestial.
    bands : sequence of n str
        Written as ``BAND0``, ``BAND1`` …: ``BANDS`` would say that they are in the Legacy Surveys' nanomaggies.
    unit : str
    """
    header = wcs.to_header(relax=True)
    for number, name in enumerate(bands):
        header[f"BAND{number}"] = name
    if unit:
        header["BUNIT"] = unit
    file = io.BytesIO()
    fits.PrimaryHDU(planes, header).writeto(file)
    return file.getvalue()

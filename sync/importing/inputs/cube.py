"""Cut-outs as FITS files: one named plane per band, with world coordinates."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from sync.sky.cards import PROBLEM_CARD

__all__ = ["write_cube"]


def write_cube(
    planes: NDArray[np.floating] | NDArray[np.uint8],
    sky: Mapping[str, Any],
    *,
    bands: Sequence[str],
    units: Sequence[str] = (),
    cards: Mapping[str, float | str] = MappingProxyType({}),
    sky_problems: Sequence[str] = (),
) -> bytes:
    """Write bands into one FITS file; equal values give equal bytes.

    Parameters
    ----------
    planes : ndarray, shape (n, height, width)
    sky : mapping
        Header cards of the coordinates.
    bands : sequence of n str
        Written as ``BAND0``, ``BAND1`` …; ``BANDS`` would declare the nanomaggies of the Legacy Surveys.
    units : sequence of n str
        Written as ``BUNIT`` if all are equal, else as ``BUNIT0``, ``BUNIT1`` …
    cards : mapping
        Other cards that apply to all bands.
    sky_problems : sequence of str
        Sentences about distortions that `sky` lacks; `read_sky` reads them back.
    """
    header = fits.Header({name: value for name, value in sky.items() if not name.startswith("NAXIS")})
    for number, name in enumerate(bands):
        header[f"BAND{number}"] = name
    if len(set(units)) == 1:
        units = units[:1]
    for number, unit in enumerate(units):
        if unit:
            header["BUNIT" if len(units) == 1 else f"BUNIT{number}"] = unit
    header.update(cards)
    if sky_problems:
        header[PROBLEM_CARD] = "; ".join(sky_problems).encode("ascii", "backslashreplace").decode()
    file = io.BytesIO()
    fits.PrimaryHDU(planes, header).writeto(file)
    return file.getvalue()

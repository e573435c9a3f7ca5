"""Where on the sky an image lies: what a task keeps of a FITS header's world coordinates."""

from __future__ import annotations

from typing import Any

import numpy as np
from astropy.io.fits import Header
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales, wcs_to_celestial_frame

from sync.images.errors import DAMAGE

__all__ = ["celestial", "sky_of"]

ARCSEC_A_DEGREE = 3600.0
SAME_FRAME = {"J2000": "FK5", "ICRF": "ICRS"}
"""What people write into `RADESYS`, and what the standard calls it."""
PLACES = ("RA", "GLON")
"""Longitudes among the galaxies: not those of the Sun or a planet; and astropy 8.0.2 takes ecliptic ones for ICRS."""


def celestial(header: Header) -> WCS | None:
    """Read the celestial part of a header's world coordinates; None where it has none that can be read."""
    try:
        # Of a cube, too, only two axes: distortions are theirs, and with a third astropy refuses them.
        wcs = WCS(header, naxis=2).celestial
        frame = wcs.wcs.radesys.strip().upper()
        wcs.wcs.radesys = SAME_FRAME.get(frame, frame)
        if not (wcs.has_celestial and wcs.wcs.lngtyp in PLACES):
            return None
        wcs_to_celestial_frame(wcs)  # raises where astropy does not know it
    except DAMAGE:  # a header that makes no sense still belongs to an image that can be shown
        return None
    return wcs


def sky_of(header: Header) -> dict[str, Any]:
    """Say where an image lies, as it stands in a task's data.

    Parameters
    ----------
    header : Header
        Of an image of at least two axes.

    Returns
    -------
    dict
        `ra` and `dec` of the middle, degrees (ICRS or the header's own equatorial frame); `pixel_scale_arcsec`;
        `wcs`, the cards of the FITS array as numbers and texts, `NAXIS1` and `NAXIS2` among them. Rows are counted as
        FITS counts them, from the bottom of what is shown. Empty where the header has no celestial coordinates.
    """
    wcs = celestial(header)
    if wcs is None:
        return {}
    width, height = int(header["NAXIS1"]), int(header["NAXIS2"])
    scale = float(np.mean(proj_plane_pixel_scales(wcs))) * ARCSEC_A_DEGREE
    middle = wcs.pixel_to_world((width - 1) / 2, (height - 1) / 2)
    ra, dec = float(middle.icrs.ra.deg), float(middle.icrs.dec.deg)
    if not np.isfinite([ra, dec, scale]).all():
        return {}
    return {"ra": ra, "dec": dec, "pixel_scale_arcsec": scale, "wcs": _cards(wcs, width=width, height=height)}


def _cards(wcs: WCS, *, width: int, height: int) -> dict[str, Any]:
    """The header of `wcs` with a CD matrix, distortions included."""
    header = wcs.to_header(relax=True)
    for name in [name for name in header if name.startswith(("PC1_", "PC2_", "CDELT"))]:
        del header[name]
    cards = {name: value for name, value in header.items() if name not in ("COMMENT", "HISTORY", "") and value != ""}
    matrix = wcs.pixel_scale_matrix
    cards |= {f"CD{row + 1}_{column + 1}": float(matrix[row, column]) for row in range(2) for column in range(2)}
    return cards | {"NAXIS": 2, "NAXIS1": width, "NAXIS2": height}

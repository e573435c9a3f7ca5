"""Model and residual of measured objects: a FITS file for each object."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from astropy.io import fits

from backend.measurement.measure_image import ModelStamp
from backend.measurement.measured_object import MeasuredObject
from backend.measurement.science import ScienceImage
from sync.sky.task_cards import window_cards

__all__ = ["stamp_file"]

_CARDS = {
    "re_px": ("RE_PX", "half-light radius, pixels"),
    "re_arcsec": ("RE_SEC", "half-light radius, arcsec"),
    "sersic_n": ("SERSIC_N", "Sersic index"),
    "axis_ratio": ("AXRATIO", "minor by major axis"),
    "position_angle_deg": ("POSANG", "position angle, degrees"),
    "mag": ("MAG", "total AB magnitude"),
}


def stamp_file(image: ScienceImage, measurement: MeasuredObject, stamp: ModelStamp) -> bytes:
    """Return a FITS file with the extensions DATA, MODEL, RESIDUAL (data minus model) and MASK (1: left out of the fit).

    The extensions have the coordinates of the image and its unit; the primary header has the parameters of the model.
    """
    primary = fits.PrimaryHDU()
    for name, (card, comment) in _CARDS.items():
        if name in measurement.values:
            primary.header[card] = (measurement.values[name].value, comment)
    primary.header["PSFFROM"] = (measurement.psf_source, "source of the point spread function")
    header = _header(image, stamp)
    planes = {"DATA": stamp.data, "MODEL": stamp.model, "RESIDUAL": stamp.data - stamp.model}
    parts = [fits.ImageHDU(plane.astype(np.float32), header, name=name) for name, plane in planes.items()]
    mask = fits.ImageHDU(stamp.neighbour_mask.astype(np.uint8), name="MASK")
    content = io.BytesIO()
    fits.HDUList([primary, *parts, mask]).writeto(content)
    return content.getvalue()


def _header(image: ScienceImage, stamp: ModelStamp) -> fits.Header:
    cards: dict[str, Any] = {}
    window = stamp.window
    if image.sky is not None:
        size = (window.right - window.left, window.low - window.top)
        cards, _ = window_cards(image.sky, (window.left, window.top), size)
    header = fits.Header({key: value for key, value in cards.items() if not key.startswith("NAXIS")})
    # The offset of the cut-out in its image, as IRAF and DS9 write it.
    header["LTV1"], header["LTV2"] = -window.left, -window.top
    if image.unit:
        header["BUNIT"] = image.unit
    return header

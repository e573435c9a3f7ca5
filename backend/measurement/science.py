"""The image that is measured: one band of a FITS file in its own unit, or the brightness of a display image.

Pixels have the order of the file's array. A FITS array has its first row at the bottom of the displayed image; `flip_rows`
converts masks from the display.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass, replace

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from backend.measurement.bands import choose_band, select_band
from sync.errors.images import ImageError
from sync.errors.sky import NoSkyError, SkyError
from sync.geometry.shapes import Mask, Size
from sync.images.cleaning import clean
from sync.images.decode import decode, kind_of, unpack
from sync.images.fits.card_values import quote_unusable, read_number
from sync.images.fits.reader import FitsBands, read_bands
from sync.images.sky import sky_in_file
from sync.images.zero_point import explain_unused_zero_point, find_zero_point
from sync.sky.celestial import CelestialSky

__all__ = ["DISPLAY_BAND", "ScienceImage", "flip_rows", "read_science"]

DISPLAY_BAND = "display"
"""Band of an image whose pixels are display brightness."""
LARGEST_PIXEL_ARCSEC = 600.0
"""Larger pixels show no galaxy; a header whose matrix is 0 or missing has pixels of one degree."""
COUNTS = frozenset({"adu", "count", "counts", "ct", "dn"})
GAIN_CARDS = ("GAIN", "EGAIN")
ELECTRONS = frozenset({"electron", "electrons", "e-", "e"})


@dataclass(frozen=True, eq=False)
class ScienceImage:
    """One band of an image.

    Attributes
    ----------
    plane : ndarray, shape (height, width)
        NaN for missing, padded and saturated pixels.
    band : str
        Name of the band; `DISPLAY_BAND` for a display image, empty if the file does not name its only band.
    unit : str
        Unit of `plane`; empty if unknown.
    is_linear : bool
        Whether `plane` has measured values; display brightness is stretched.
    from_bottom : bool
        Whether the first row is the lowest of the displayed image.
    zero_point : float or None
        AB magnitude of one unit.
    gain : float or None
        Electrons per unit, if the pixels are counts.
    pixel_scale_arcsec : float or None
    sky : CelestialSky or None
    header : Header or None
        Header of the band, with the cards of a PSF; None for a display image.
    problems : tuple of str
        One sentence for each part of the file that is not used.
    place, bands : int
        Index of the band in the file, and the number of bands of the file.
    """

    plane: NDArray[np.float32]
    band: str
    unit: str = ""
    is_linear: bool = True
    from_bottom: bool = True
    zero_point: float | None = None
    gain: float | None = None
    pixel_scale_arcsec: float | None = None
    sky: CelestialSky | None = None
    header: fits.Header | None = None
    problems: tuple[str, ...] = ()
    place: int = 0
    bands: int = 1

    @property
    def size(self) -> Size:
        """(width, height), pixels."""
        return self.plane.shape[1], self.plane.shape[0]


def read_science(content: bytes, *, max_pixels: int, band: str = "") -> ScienceImage:
    """Read the band of an image file that is measured.

    Parameters
    ----------
    content : bytes
        FITS, TIFF, PNG, JPEG, GIF or WebP, which may be gzipped; a FITS file has one image.
    max_pixels : int
        Most pixels of the image, over all bands.
    band : str
        Name of the band of a FITS file; default: r, else i, else the middle one.

    Raises
    ------
    ImageError
        If the file cannot be read, or has no such band.
    """
    data = unpack(content)
    if kind_of(data) != "FITS":
        if band:
            raise ImageError(f"a band {band!r} is asked for, and the file is a display image without bands")
        pixels = decode(data, max_pixels=max_pixels)
        return ScienceImage(pixels.mean(axis=2), DISPLAY_BAND, is_linear=False, from_bottom=False)
    file, place, count = select_band(data, band, max_pixels=max_pixels)
    bands = read_bands(file, max_pixels=max_pixels)
    sky, problems = _find_sky(bands, file)
    if bands.is_rgb:
        if band:
            raise ImageError(f"a band {band!r} is asked for, and the file is a colour image")
        plane = bands.planes.mean(axis=0, dtype=np.float32)
        return ScienceImage(
            plane,
            DISPLAY_BAND,
            is_linear=False,
            pixel_scale_arcsec=_scale(sky),
            sky=sky,
            header=bands.header,
            problems=problems,
        )
    index = choose_band(bands.names, len(bands.planes), band)
    with fits.open(io.BytesIO(file), memmap=False) as hdus:
        primary = hdus[0].header.copy()
    unit = _unit_of_band(bands, index)
    zero_point, _ = find_zero_point(_with_unit(bands, unit), primary)
    plane, pixel_problems = _valid_pixels(bands.planes[index], bands.header, primary)
    return ScienceImage(
        plane,
        bands.names[index] if bands.names else f"{index + 1} of {len(bands.planes)}" if len(bands.planes) > 1 else "",
        unit,
        zero_point=zero_point,
        gain=_gain(unit, bands.header, primary),
        pixel_scale_arcsec=_scale(sky),
        sky=sky,
        header=_merge(primary, bands.header),
        problems=(*problems, *_unused_cards(_with_unit(bands, unit), primary, unit=unit), *pixel_problems),
        place=bands.places[index] if len(bands.planes) > 1 else place,
        bands=max(count, len(bands.planes)),
    )


def flip_rows(mask: Mask) -> Mask:
    """Return a mask with its rows in the opposite order: from the displayed image to a FITS array, or back."""
    return np.ascontiguousarray(mask[::-1])


def _scale(sky: CelestialSky | None) -> float | None:
    return sky.pixel_scale_arcsec if sky is not None and _is_positive(sky.pixel_scale_arcsec) else None


def _find_sky(bands: FitsBands, file: bytes) -> tuple[CelestialSky | None, tuple[str, ...]]:
    try:
        sky = sky_in_file(bands.header, file)
        if sky.pixel_scale_arcsec > LARGEST_PIXEL_ARCSEC:
            raise SkyError(f"a pixel would be {sky.pixel_scale_arcsec:.0f} arcsec wide")
        return sky, ()
    except NoSkyError:
        return None, ()
    except SkyError as error:
        return None, (f"the sky coordinates are not used: {error}",)


def _unit_of_band(bands: FitsBands, index: int) -> str:
    units = [unit.strip() for unit in bands.unit.split(",")]
    return units[bands.places[index]] if len(units) == len(bands.planes) else units[0] if len(units) == 1 else ""


def _with_unit(bands: FitsBands, unit: str) -> FitsBands:
    return replace(bands, unit="" if unit == "?" else unit, weights=None)


def _gain(unit: str, *headers: fits.Header) -> float | None:
    """Return electrons per unit; None for rates and calibrated fluxes, whose effective gain the header does not give."""
    name = unit.strip().lower()
    if name in ELECTRONS:
        return 1.0
    if name not in COUNTS:
        return None
    values = (read_number(header, card) for header in headers for card in GAIN_CARDS)
    return next((value for value in values if value is not None and value > 0), None)


def _unused_cards(bands: FitsBands, primary: fits.Header, *, unit: str) -> tuple[str, ...]:
    """Return a sentence for the zero point, the gain and the saturation level of the header where they cannot be used."""
    headers = bands.header, primary
    sentences = [explain_unused_zero_point(bands, primary)]
    needs_gain = unit.strip().lower() in COUNTS and _gain(unit, *headers) is None
    for cards, title, is_needed in ((GAIN_CARDS, "gain", needs_gain), (("SATURATE",), "saturation level", True)):
        if is_needed and (bad_cards := quote_unusable(headers, cards, lambda value: value > 0)):
            sentences.append(f"the {title} of the header is not used: {bad_cards}")
    return tuple(sentence for sentence in sentences if sentence)


def _valid_pixels(plane: NDArray[np.floating], *headers: fits.Header) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Return the plane with NaN for infinite, padded and saturated pixels, and a sentence about saturated ones."""
    values = np.array(plane, np.float32)  # a copy, in native byte order
    values[~np.isfinite(values)] = np.nan
    values[np.isnan(clean(plane))] = np.nan  # padding; the values that `clean` changes are kept
    levels = (read_number(header, "SATURATE") for header in headers)
    level = next((value for value in levels if value is not None and value > 0), None)
    is_saturated = np.zeros(values.shape, bool) if level is None else values >= level
    values[is_saturated] = np.nan
    if np.isnan(values).all():
        raise ImageError("the image has no valid pixel: all are missing, padding or saturated")
    count = int(is_saturated.sum())
    return values, (f"{count} pixels reach the saturation level of {level:g} and are not used",) if count else ()


def _merge(primary: fits.Header, header: fits.Header) -> fits.Header:
    """Return the cards of a band, then those of the primary header that it does not have."""
    merged_header = header.copy()
    merged_header.extend(primary, unique=True, strip=True)
    return merged_header


def _is_positive(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0

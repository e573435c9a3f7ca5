"""Reader of FITS images: all image planes of a file as bands."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from sync.errors.images import ImageError
from sync.images.fits.axes import colour_axis, plane_header, planes_first
from sync.images.fits.choice import NAMELESS, only_image, science_of
from sync.images.fits.headers import check_compression, read_headers
from sync.images.fits.opening import check_tiles
from sync.images.fits.parts import Part, parts_of, role
from sync.images.stretch import in_colour

__all__ = ["FitsBands", "band_names", "image_hdus", "read_bands", "read_fits"]

# Weights of the Legacy Surveys viewer, per nanomaggy; the cut-outs of the survey name their bands.
LEGACY_WEIGHTS = {"g": 6.0, "r": 3.4, "i": 3.0, "z": 2.2}
COLOUR_NAMES = (("BLUE", "GREEN", "RED"), ("B", "G", "R"))
"""Names of three bands that are colours, in any order in the file; here the bluest first."""


@dataclass(frozen=True)
class FitsBands:
    """The pixels of a FITS image.

    Attributes
    ----------
    planes : ndarray, shape (n, height, width)
        Linear, in `unit`, from the bluest to the reddest; this is the order of the file, except for planes that are declared
        as red, green and blue. The first row is at the bottom of the displayed image. NaN for missing pixels.
    header : Header
        Header of the first image, with its world coordinates.
    names : tuple of str
        Names of the bands, one for each plane; empty if the file does not name them.
    unit : str
        ``BUNIT``, empty if there is none; if the units of the bands differ, all of them, separated by commas.
    weights : list of float or None
        Factors of the bands with which equal values give grey, if they are known.
    is_rgb : bool
        Whether the file is a colour image that is already stretched: three 8-bit planes in the order red, green, blue, blended
        with black if the file has transparency.
    places : tuple of int
        Place of each plane in the file, from 0: colours and bands named as such are put into one order.
    """

    planes: NDArray[np.floating]
    header: fits.Header
    names: tuple[str, ...]
    unit: str
    weights: list[float] | None
    is_rgb: bool
    places: tuple[int, ...]

    def to_rgb(self) -> NDArray[np.float32]:
        """Return the colours if `is_rgb`, shape (height, width, 3), in [0, 1], with the rows as in the file."""
        return np.moveaxis(self.planes, 0, -1).astype(np.float32) / np.float32(255)


def read_fits(data: bytes, *, max_pixels: int) -> NDArray[np.float32]:
    """Read a FITS file and stretch it for display.

    Parameters
    ----------
    data : bytes
        Content of the file, not gzipped.
    max_pixels : int
        Largest product of width, height and bands.

    Returns
    -------
    ndarray, shape (height, width, 3)
        In [0, 1]; the first row of the file is at the bottom, as usual in astronomy. Missing pixels are black.

    Raises
    ------
    ImageError
        If the file is damaged, truncated or too large, or has no image with a valid pixel.
    """
    bands = read_bands(data, max_pixels=max_pixels)
    rgb = bands.to_rgb() if bands.is_rgb else in_colour(bands.planes, weights=bands.weights)
    return np.ascontiguousarray(rgb[::-1])


def read_bands(data: bytes, *, max_pixels: int) -> FitsBands:
    """Read the pixels of a FITS file with one image.

    Image extensions of the same shape and position are bands, like the planes of a cube; masks, weights and tables are not.

    Parameters
    ----------
    data : bytes
        Content of the file, not gzipped.
    max_pixels : int
        Largest product of width, height and bands.

    Raises
    ------
    ImageError
        If the file is damaged, truncated or too large, has no image with a valid pixel, or has several images that are not
        bands of one image.
    """
    try:
        headers = read_headers(data)
        parts = only_image(parts_of(headers))
        packed_numbers = [part.number for part in parts if part.header.get("ZIMAGE", False)]
        for number in packed_numbers:
            check_compression(headers[number])
        if packed_numbers:
            check_tiles(data, packed_numbers, max_pixels)
        # uint=False, because astropy does not apply BLANK to unsigned integers.
        with fits.open(io.BytesIO(data), memmap=False, uint=False) as file:
            return _bands(file[0].header, [file[part.number] for part in parts], parts, max_pixels)
    except ImageError:
        raise
    except Exception as error:  # astropy's C codecs raise a class that is not public
        raise ImageError(f"the FITS file is damaged ({type(error).__name__})") from error


def image_hdus(file: fits.HDUList) -> list[Any]:
    """Return the HDUs with science images, of any size; an empty list if the file has no image."""
    parts = parts_of(hdu.header for hdu in file)
    if not any(part.is_image for part in parts):
        return []
    return [file[part.number] for part in science_of(parts)[0]]


def _bands(primary: fits.Header, images: list[Any], parts: Sequence[Part], max_pixels: int) -> FitsBands:
    header = plane_header(images[0].header.copy(), images[0].shape)
    are_colours = len(images) == 1 and colour_axis(images[0].shape, images[0].header) is not None
    eight_bits = all(hdu.header["BITPIX"] == 8 and not {"BSCALE", "BZERO"} & set(hdu.header) for hdu in images)
    planes = _planes(images, parts, max_pixels)  # reading them changes the headers
    names, unit = band_names(primary, images, len(planes)), _unit(images, len(planes))
    order = _colour_order(names)
    if eight_bits and ((len(images) == 1 and len(planes) in (3, 4)) or order is not None):
        if len(images) > 1 and order is not None:
            planes = planes[list(order[::-1])]
        if len(planes) == 4:
            planes = planes[:3] * (planes[3] / np.float32(255))
        return FitsBands(planes, header, names, unit, None, is_rgb=True, places=tuple(range(len(planes))))
    if are_colours:
        places = tuple(range(len(planes)))[2::-1]
        names = names[2::-1] or tuple(name.lower() for name in COLOUR_NAMES[0])
        return FitsBands(planes[2::-1], header, names, unit, [1.0] * len(places), is_rgb=False, places=places)
    places = tuple(range(len(planes))) if order is None else order
    if order is not None:
        planes, names = planes[list(order)], tuple(names[index] for index in order)
    return FitsBands(planes, header, names, unit, _weights(primary, len(planes)), is_rgb=False, places=places)


def _colour_order(names: Sequence[str]) -> tuple[int, ...] | None:
    """Return the indices of blue, green and red if the names are `COLOUR_NAMES`, else None."""
    upper = [name.upper() for name in names]
    for colours in COLOUR_NAMES:
        if sorted(upper) == sorted(colours):
            return tuple(upper.index(colour) for colour in colours)
    return None


def _planes(images: list[Any], parts: Sequence[Part], max_pixels: int) -> NDArray[np.floating]:
    """Return the planes, shape (n, height, width), in native byte order, with NaN for missing pixels."""
    height, width = parts[0].plane_shape
    pixels = sum(prod(hdu.shape) for hdu in images)
    if not pixels:
        raise ImageError(f"the FITS image has no pixels: {len(images)} bands of {width}x{height}")
    if height == 1 or width == 1:
        raise ImageError(f"the FITS image is one line of {width}x{height} pixels, as of a spectrum, and not an image")
    if pixels > max_pixels:
        count = pixels // (height * width)
        raise ImageError(
            f"the FITS image has {count} bands of {width}x{height} pixels, more than the {max_pixels} that are allowed"
        )
    bands: NDArray[np.floating] = np.concatenate([planes_first(_native(hdu.data), hdu.header) for hdu in images])
    if not np.isfinite(bands).any():
        raise ImageError("the FITS image has no valid pixel: all are NaN or masked")
    return bands


def _native(data: NDArray[Any]) -> NDArray[np.floating]:
    if data.dtype.kind not in "biuf":
        raise ImageError(f"the FITS image holds {data.dtype.name} values; integers or floats can be shown")
    exact = data.dtype.itemsize <= 2 or data.dtype == np.dtype(">f4") or data.dtype == np.float32
    return data.astype(np.float32 if exact else np.float64)


def band_names(primary: fits.Header, images: list[Any], count: int) -> tuple[str, ...]:
    """Return the names of the bands: `BANDS` or `BAND0`, `BAND1` … of the Legacy Surveys, else the name of each image.

    Returns
    -------
    tuple of str
        `count` names, or none if a band has no name.
    """
    together = str(primary.get("BANDS", "")).strip()
    if len(together) == count:
        return tuple(together)
    header_names = tuple(str(images[0].header.get(f"BAND{number}", "")).strip() for number in range(count))
    extension_names = tuple(_name(primary, hdu, is_alone=len(images) == 1) for hdu in images)
    return next((names for names in (header_names, extension_names) if len(names) == count and all(names)), ())


def _name(primary: fits.Header, hdu: Any, *, is_alone: bool) -> str:
    """Return the name of a band; the filter in the primary header is preferred to the name only for a single image."""
    own_band, primary_band = (str(header.get("FILTER") or header.get("BAND") or "").strip() for header in (hdu.header, primary))
    extension_name = "" if role(str(hdu.name)) in NAMELESS else str(hdu.name)
    return own_band or (primary_band or extension_name if is_alone else extension_name or primary_band)


def _unit(images: list[Any], count: int) -> str:
    """Return the unit of the bands; if they differ, all units separated by commas."""
    header = images[0].header
    header_units = [str(header.get(f"BUNIT{number}", "")).strip() for number in range(count)]
    own_units = [str(hdu.header.get("BUNIT", "")).strip() for hdu in images]
    units = header_units if any(header_units) else own_units
    return units[0] if len(set(units)) == 1 else ", ".join(unit or "?" for unit in units)


def _weights(primary: fits.Header, count: int) -> list[float] | None:
    names = str(primary.get("BANDS", "")).strip()
    if len(names) != count or not set(names) <= LEGACY_WEIGHTS.keys():
        return None
    return [LEGACY_WEIGHTS[name] for name in names]

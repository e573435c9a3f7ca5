"""FITS: every image plane of a file as bands, from the bluest to the reddest, in the order in which it holds them."""

from __future__ import annotations

import io
import re
import zlib
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from sync.images.errors import ImageError
from sync.images.fitsheaders import read_headers
from sync.images.stretch import in_colour

__all__ = ["FitsBands", "band_names", "image_hdus", "read_bands", "read_fits"]

# Extensions that describe others: masks, weights, errors. Pipelines add to the first of these: VAR_POISSON, DQ_2.
NOT_AN_IMAGE = re.compile(
    r"(.*\.)?((VAR|ERR|DQ|MASK|WHT|WGT|WEIGHT|UNC).*|BADPIX|MSK|NEXP|PSF|CON|CTX|FLAGS?|FLG|RMS|INVVAR|IVAR|STAT|STDDEV)"
)
MEASURED = ("SCI", "DATA")
"""What pipelines call the extensions with the measurements; where there is one, nothing else is an image."""
NAMELESS = {*MEASURED, "PRIMARY", "COMPRESSED_IMAGE", "IMAGE"}
"""Names of extensions that are those of no band."""
# The Legacy Surveys' own cut-outs name their bands; these are the weights of their viewer, per nanomaggy.
LEGACY_WEIGHTS = {"g": 6.0, "r": 3.4, "i": 3.0, "z": 2.2}
GZIP_MAGIC = b"\x1f\x8b"


@dataclass(frozen=True)
class FitsBands:
    """The measurements of a FITS file, as it holds them.

    Attributes
    ----------
    planes : ndarray, shape (n, height, width)
        Linear, in `unit`, in the order of the file, which is from the bluest to the reddest; the first row is the
        lowest on the sky as it is shown. NaN where missing.
    header : Header
        Of the first image, with its world coordinates.
    names : tuple of str
        Of the bands: as many as planes, or none where the file does not name them.
    unit : str
        ``BUNIT``, empty where there is none; where the bands' differ, all of them with commas.
    weights : list of float or None
        What to multiply each band by so that equal numbers are grey, where that is known.
    is_picture : bool
        Whether the file is a picture in colours, stretched by others: three planes of 8 bits, red, green and blue.
    """

    planes: NDArray[np.floating]
    header: fits.Header
    names: tuple[str, ...]
    unit: str
    weights: list[float] | None
    is_picture: bool

    def picture(self) -> NDArray[np.float32]:
        """Return the colours of a file that `is_picture`, shape (height, width, 3), in [0, 1], rows as in the file."""
        return np.moveaxis(self.planes, 0, -1).astype(np.float32) / np.float32(255)


def read_fits(data: bytes, *, max_pixels: int) -> NDArray[np.float32]:
    """Read a FITS file as a person sees it.

    Parameters
    ----------
    data : bytes
        A whole file, not gzipped.
    max_pixels : int
        Width times height times bands.

    Returns
    -------
    ndarray, shape (height, width, 3)
        In [0, 1]; the first row of the file is at the bottom, as astronomers show it. Missing pixels are black.

    Raises
    ------
    ImageError
        If the file is damaged, truncated or too large, or holds no image with a valid pixel.
    """
    bands = read_bands(data, max_pixels=max_pixels)
    shown = bands.picture() if bands.is_picture else in_colour(bands.planes, weights=bands.weights)
    return np.ascontiguousarray(shown[::-1])


def read_bands(data: bytes, *, max_pixels: int) -> FitsBands:
    """Read the measurements of a FITS file.

    Image extensions of the size of the first one count as bands like the planes of a cube; masks, weights and tables
    do not.

    Parameters
    ----------
    data : bytes
        A whole file, not gzipped.
    max_pixels : int
        Width times height times bands.

    Raises
    ------
    ImageError
        If the file is damaged, truncated or too large, or holds no image with a valid pixel.
    """
    try:
        if any(header.get("ZIMAGE", False) for header in read_headers(data)):
            _check_tiles(data, max_pixels)
        # Not as unsigned integers: astropy does not look for BLANK among those.
        with fits.open(io.BytesIO(data), memmap=False, uint=False) as file:
            images = _images(file)
            is_picture = _is_picture(images)  # reading the planes changes the header
            planes = _planes(images, max_pixels)
            return FitsBands(
                planes=planes,
                header=images[0].header,
                names=band_names(file[0].header, images, len(planes)),
                unit=_unit(images, len(planes)),
                weights=_weights(file, len(planes)),
                is_picture=is_picture,
            )
    except ImageError:
        raise
    except Exception as error:  # astropy's C codecs raise a class of their own that is not public
        raise ImageError(f"the FITS file is damaged ({type(error).__name__})") from error


def image_hdus(file: fits.HDUList) -> list[Any]:
    """Return the parts of a file that hold measurements, of whatever size."""
    images = [hdu for hdu in file if hdu.is_image and len(hdu.shape) >= 2 and not NOT_AN_IMAGE.fullmatch(hdu.name)]
    return [hdu for hdu in images if _role(hdu) in MEASURED] or images


def _role(hdu: Any) -> str:
    """What an extension is to its file: SCI of ``SCI``, and of ``3-1-E.SCI``, as Euclid calls a detector's."""
    return str(hdu.name).rpartition(".")[2]


def _images(file: fits.HDUList) -> list[Any]:
    """Return the parts of the file that hold bands."""
    images = image_hdus(file)
    if not images:
        raise ImageError("the FITS file holds no image of two or more dimensions")
    return [hdu for hdu in images if hdu.shape[-2:] == images[0].shape[-2:]]


def _is_picture(images: list[Any]) -> bool:
    header = images[0].header
    eight_bits = header["BITPIX"] == 8 and not {"BSCALE", "BZERO"} & set(header)
    return len(images) == 1 and images[0].shape[:-2] == (3,) and eight_bits


def _planes(images: list[Any], max_pixels: int) -> NDArray[np.floating]:
    """Shape (n, height, width), native byte order, NaN where missing."""
    height, width = images[0].shape[-2:]
    count = sum(int(np.prod(hdu.shape[:-2], dtype=object)) for hdu in images)
    if not (count and height and width):
        raise ImageError(f"the FITS image has no pixels: {count} bands of {width}x{height}")
    if count * height * width > max_pixels:
        raise ImageError(
            f"the FITS image has {count} bands of {width}x{height} pixels, more than the {max_pixels} that are allowed"
        )
    bands: NDArray[np.floating] = np.concatenate([_native(hdu.data).reshape(-1, height, width) for hdu in images])
    if not np.isfinite(bands).any():
        raise ImageError("the FITS image has no valid pixel: all are NaN or masked")
    return bands


def _native(data: NDArray[Any]) -> NDArray[np.floating]:
    if data.dtype.kind not in "biuf":
        raise ImageError(f"the FITS image holds {data.dtype.name} values; integers or floats can be shown")
    exact = data.dtype.itemsize <= 2 or data.dtype == np.dtype(">f4") or data.dtype == np.float32
    return data.astype(np.float32 if exact else np.float64)


def band_names(primary: fits.Header, images: list[Any], count: int) -> tuple[str, ...]:
    """Read the bands' names: `BANDS` or `BAND0`, `BAND1` … as the Legacy Surveys write them, else each image's own.

    Returns
    -------
    tuple of str, length `count`, or empty where one has no name
    """
    together = str(primary.get("BANDS", "")).strip()
    if len(together) == count:
        return tuple(together)
    numbered = tuple(str(images[0].header.get(f"BAND{number}", "")).strip() for number in range(count))
    own = tuple(_name(primary, hdu) for hdu in images)
    return next((names for names in (numbered, own) if len(names) == count and all(names)), ())


def _name(primary: fits.Header, hdu: Any) -> str:
    for header in (hdu.header, primary):
        if name := str(header.get("FILTER") or header.get("BAND") or "").strip():
            return name
    return "" if _role(hdu) in NAMELESS else str(hdu.name)


def _unit(images: list[Any], count: int) -> str:
    """Read the unit, or those of all bands, with commas, where they differ."""
    header = images[0].header
    numbered = [str(header.get(f"BUNIT{number}", "")).strip() for number in range(count)]
    own = [str(hdu.header.get("BUNIT", "")).strip() for hdu in images]
    found = numbered if any(numbered) else own
    return found[0] if len(set(found)) == 1 else ", ".join(unit or "?" for unit in found)


def _weights(file: fits.HDUList, count: int) -> list[float] | None:
    names = str(file[0].header.get("BANDS", "")).strip()
    if len(names) != count or not set(names) <= LEGACY_WEIGHTS.keys():
        return None
    return [LEGACY_WEIGHTS[name] for name in names]


def _check_tiles(data: bytes, max_pixels: int) -> None:
    """Refuse tiles that would unpack to more than a tile; read as tables, none is unpacked."""
    with fits.open(io.BytesIO(data), memmap=False, disable_image_compression=True) as tables:
        for table in tables:
            header = table.header
            if not header.get("ZIMAGE", False):
                continue
            sides = [header.get(f"ZTILE{axis + 1}", 1 if axis else header["ZNAXIS1"]) for axis in range(header["ZNAXIS"])]
            if prod(sides) > max_pixels:
                raise ImageError(f"the FITS image has tiles of {sides} pixels, more than the {max_pixels} that are allowed")
            for name in {"COMPRESSED_DATA", "GZIP_COMPRESSED_DATA"} & set(table.columns.names):
                for tile in table.data[name]:
                    _check_unpacked(np.asarray(tile).tobytes(), most=8 * prod(sides))


def _check_unpacked(tile: bytes, *, most: int) -> None:
    if tile.startswith(GZIP_MAGIC) and len(zlib.decompressobj(wbits=31).decompress(tile, most + 1)) > most:
        raise ImageError(f"a tile of the FITS image unpacks to more than the {most} bytes that it may have")

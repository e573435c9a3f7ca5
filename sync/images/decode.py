"""Decoding of image files of all supported formats into displayed brightness.

The format is detected from the first bytes, not from the name or declared type. Sizes are checked before pixels are decoded.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sync.errors.images import DAMAGE, ImageError
from sync.files.unpacking import GZIP_MAGIC, TooLargeError, UnpackingError
from sync.files.unpacking import unpack as unpack_file
from sync.images.fits.reader import read_fits
from sync.images.raster import read_raster
from sync.images.tiff import read_tiff

__all__ = ["IMAGE_SUFFIXES", "MAX_PIXELS", "claimed_pixels", "decode", "is_stretched", "kind_of", "unpack"]

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".fits", ".fit", ".fts", ".fz", ".gif", ".webp", ".gz"})
"""Suffixes of image files in a folder; `decode` depends on the content only."""
MAX_PIXELS = 100_000_000
MAX_UNPACKED_BYTES = 512 * 2**20  # of a gzipped file

FITS_MAGIC = b"SIMPLE  ="
TIFF_MAGICS = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
WEB_MAGICS = {b"\x89PNG\r\n\x1a\n": "PNG", b"\xff\xd8\xff": "JPEG", b"GIF87a": "GIF", b"GIF89a": "GIF"}
LONGEST_MAGIC = 12


def decode(data: bytes, *, max_pixels: int = MAX_PIXELS) -> NDArray[np.float32]:
    """Decode a PNG, JPEG, GIF, WebP, TIFF or FITS file, or a gzipped one.

    Parameters
    ----------
    data : bytes
        Content of the file.
    max_pixels : int
        Largest product of width and height and, for a FITS file, bands.

    Returns
    -------
    ndarray, shape (height, width, 3)
        In [0, 1], contiguous. 8-bit values are divided by 255 and 16-bit values by 65535; linear measurements (FITS and
        floating-point TIFF) are stretched. The orientation is that of a browser or, for FITS, the first row is at the bottom;
        transparent pixels are blended with black.

    Raises
    ------
    ImageError
        If the file has another format, is damaged, truncated or too large, or has no valid pixel.
    """
    data = unpack(data)
    kind = _kind(data[:LONGEST_MAGIC])
    if kind == "FITS":
        pixels = read_fits(data, max_pixels=max_pixels)
    elif kind == "TIFF":
        pixels = read_tiff(data, max_pixels=max_pixels)
    else:
        pixels = read_raster(data, formats=(kind,), max_pixels=max_pixels)
    # numpy reports a vertically flipped single row as contiguous, and torch rejects its negative stride (numpy#23349).
    return pixels if min(pixels.strides) > 0 else pixels.copy()


def kind_of(data: bytes) -> str:
    """Return the format of an image file, such as "PNG" or "FITS", from its first bytes; empty for any other file."""
    start = data[:LONGEST_MAGIC]
    if start.startswith(FITS_MAGIC):
        return "FITS"
    if start.startswith(TIFF_MAGICS):
        return "TIFF"
    if start.startswith(b"RIFF") and start.endswith(b"WEBP"):
        return "WEBP"
    for magic, name in WEB_MAGICS.items():
        if start.startswith(magic):
            return name
    return ""


def claimed_pixels(data: bytes) -> int:
    """Estimate the number of pixels of an image file without decoding it.

    The result is width times height for a PNG, JPEG, GIF or WebP file; the number of bytes for FITS and TIFF, which are rarely
    compressed; the largest unpacked size for a gzipped file; and 0 for a file that is not an image.
    """
    if data.startswith(GZIP_MAGIC):
        return MAX_UNPACKED_BYTES
    kind = kind_of(data)
    if kind in ("FITS", "TIFF"):
        return len(data)
    try:
        with Image.open(io.BytesIO(data), formats=(kind,)) as image:
            return int(image.width * image.height)
    except Image.DecompressionBombError:
        return MAX_PIXELS
    except DAMAGE:
        return 0


def is_stretched(data: bytes) -> bool:
    """Return whether the displayed image depends on a stretch, which is False for PNG, JPEG, GIF and WebP."""
    return kind_of(data) not in {*WEB_MAGICS.values(), "WEBP"}


def unpack(data: bytes, *, max_bytes: int | None = None) -> bytes:
    """Decompress a gzipped file; return any other file unchanged.

    Raises
    ------
    ImageError
        If the file is damaged, does not contain an image, or decompresses to more than `max_bytes` (`MAX_UNPACKED_BYTES`).
    """
    return _unpack_gzip(data, max_bytes or MAX_UNPACKED_BYTES) if data.startswith(GZIP_MAGIC) else data


def _kind(start: bytes) -> str:
    if not start:
        raise ImageError("the image is empty: it has 0 bytes")
    if kind := kind_of(start):
        return kind
    raise ImageError(f"the image starts with {start[:8]!r}, which is not a PNG, JPEG, GIF, WebP, TIFF or FITS file")


def _unpack_gzip(data: bytes, max_bytes: int) -> bytes:
    pieces = unpack_file(io.BytesIO(data), limit=max_bytes)
    try:
        start = next(pieces, b"")
        _kind(start)  # rejects other files before they are decompressed
        return b"".join([start, *pieces])
    except TooLargeError as error:
        raise ImageError(f"the gzipped file unpacks to more than {max_bytes} bytes") from error
    except UnpackingError as error:
        raise ImageError(f"the gzipped image is damaged or truncated: {error}") from error

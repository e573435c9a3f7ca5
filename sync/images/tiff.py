"""Reader of TIFF files with photographs or measurements.

8- and 16-bit unsigned values are displayed brightness and are divided by 255 or 65535. Floating-point values and all other
integers are linear measurements; they are stretched like FITS images, with the first row at the top as in TIFF.
"""

from __future__ import annotations

import io
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tifffile import COMPRESSION, PHOTOMETRIC, TiffFile, TiffPage

from sync.errors.images import DAMAGE, ImageError
from sync.images.raster import ORIENTATION_TAG, check_pixels, read_raster, turn_upright
from sync.images.stretch import in_colour, lupton

__all__ = ["read_tiff"]

MAX_SAMPLES = 16  # values per pixel
MAX_SEGMENTS = 100_000  # strips or tiles
NOT_COMPRESSED = {COMPRESSION.NONE}
DEFLATED = {COMPRESSION.DEFLATE, COMPRESSION.ADOBE_DEFLATE}
GREY = {PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.MINISWHITE}
WITH_TIFFFILE = GREY | {PHOTOMETRIC.RGB}
PREDICTOR_NONE, PREDICTOR_HORIZONTAL = 1, 2


def read_tiff(data: bytes, *, max_pixels: int) -> NDArray[np.float32]:
    """Read the first page of a TIFF.

    Parameters
    ----------
    data : bytes
        Content of the file.
    max_pixels : int
        Largest product of width and height.

    Returns
    -------
    ndarray, shape (height, width, 3)
        In [0, 1], with the orientation of the file applied.

    Raises
    ------
    ImageError
        If the file is damaged, truncated or too large, or does not contain a two-dimensional image.
    """
    try:
        with TiffFile(io.BytesIO(data)) as file:
            page = file.pages.first
            check_pixels(page.imagewidth, page.imagelength, max_pixels=max_pixels)
            if page.imagedepth != 1 or not 1 <= page.samplesperpixel <= MAX_SAMPLES:
                raise ImageError(
                    f"the TIFF image has {page.imagedepth} planes of {page.samplesperpixel} values a pixel; "
                    f"one plane of at most {MAX_SAMPLES} can be shown"
                )
            if not _fits_tifffile(page):
                return read_raster(data, formats=("TIFF",), max_pixels=max_pixels)
            _check_segments(page, data, max_pixels)
            samples = page.asarray(maxworkers=1).reshape(_shape(page))
            pixels = np.moveaxis(samples, 0, -1) if _is_planar(page) else samples
            tag = page.tags.get(ORIENTATION_TAG)
            orientation = int(tag.value) if tag else 1
            floats = _to_float(pixels, page)
    except ImageError:
        raise
    except DAMAGE as error:
        raise ImageError(f"the TIFF image is damaged or truncated ({type(error).__name__})") from error
    return np.ascontiguousarray(turn_upright(floats, orientation))


def _fits_tifffile(page: TiffPage) -> bool:
    """Return whether tifffile can read a page without additional codecs; it then keeps more data types than Pillow."""
    return (
        page.compression in NOT_COMPRESSED | DEFLATED
        and page.photometric in WITH_TIFFFILE
        and page.predictor in (PREDICTOR_NONE, PREDICTOR_HORIZONTAL)
        and page.bitspersample in (8, 16, 32, 64)
        and page.dtype is not None
        and page.dtype.itemsize * 8 == page.bitspersample
    )


def _check_segments(page: TiffPage, data: bytes, max_pixels: int) -> None:
    """Reject files whose strips or tiles decompress to more than their size; tifffile does not limit the length."""
    if page.is_tiled:
        check_pixels(page.tilewidth, page.tilelength, max_pixels=max(max_pixels, 2**20))
        rows, columns = page.tilelength, page.tilewidth
    else:
        rows, columns = min(page.rowsperstrip, page.imagelength), page.imagewidth
    samples = 1 if _is_planar(page) else page.samplesperpixel
    expected_bytes = rows * columns * samples * page.bitspersample // 8
    if len(page.databytecounts) > MAX_SEGMENTS:
        raise ImageError(f"the TIFF image has more than the {MAX_SEGMENTS} strips or tiles that are read")
    if sum(page.databytecounts) > len(data):
        raise ImageError("the TIFF image is truncated, or its strips overlap")
    for start, size in zip(page.dataoffsets, page.databytecounts, strict=True):
        if start + size > len(data):
            raise ImageError("the TIFF image is truncated")
        if page.compression in DEFLATED:
            unpacked_bytes = zlib.decompressobj().decompress(data[start : start + size], expected_bytes + 1)
            if len(unpacked_bytes) > expected_bytes:
                raise ImageError(f"a part of the TIFF image unpacks to more than the {expected_bytes} bytes that it may have")


def _is_planar(page: TiffPage) -> bool:
    return bool(page.planarconfig == 2 and page.samplesperpixel > 1)


def _shape(page: TiffPage) -> tuple[int, int, int]:
    height, width, samples = page.imagelength, page.imagewidth, page.samplesperpixel
    return (samples, height, width) if _is_planar(page) else (height, width, samples)


def _to_float(pixels: NDArray[Any], page: TiffPage) -> NDArray[np.float32]:
    """Convert samples, shape (height, width, samples), to displayed colours, shape (height, width, 3)."""
    colours = 3 if pixels.shape[2] >= 3 else 1
    alpha = page.extrasamples[0] if len(page.extrasamples) == pixels.shape[2] - colours > 0 else 0
    if pixels.dtype in (np.uint8, np.uint16):
        white = 255 if pixels.dtype == np.uint8 else 65535
        values = np.divide(pixels[..., : colours + 1], white, dtype=np.float32)
        colour_values = values[..., :colours]
        if page.photometric == PHOTOMETRIC.MINISWHITE:
            colour_values = 1 - colour_values
        if alpha == 2:  # unassociated alpha: the colours are not premultiplied
            colour_values = colour_values * values[..., colours:]
        return np.repeat(colour_values, 3, axis=-1) if colours == 1 else colour_values
    if pixels.dtype.kind not in "iuf":
        raise ImageError(f"the TIFF image holds {pixels.dtype.name} values; integers or floats can be shown")
    linear = pixels[..., :colours].astype(np.float64)
    if page.photometric == PHOTOMETRIC.MINISWHITE:
        linear = -linear
    if not np.isfinite(linear).any():
        raise ImageError("the TIFF image has no valid pixel")
    return in_colour(linear.transpose(2, 0, 1)) if colours == 1 else lupton(*linear.transpose(2, 0, 1))

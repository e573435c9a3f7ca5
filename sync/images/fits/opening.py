"""Opens a FITS file of an untrusted source: what its headers claim is checked before astropy reads anything."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod

import numpy as np
from astropy.io import fits

from sync.errors.images import ImageError
from sync.files.unpacking import GZIP_MAGIC
from sync.images.fits.headers import check_compression, read_headers

__all__ = ["check_tiles", "open_fits"]


@contextmanager
def open_fits(data: bytes, *, max_pixels: int) -> Iterator[fits.HDUList]:
    """Open a file whose images and tables are read without further checks.

    Parameters
    ----------
    data : bytes
        Content of the file, not gzipped.
    max_pixels : int
        Most pixels of each compressed image; what is not compressed is no larger than the file.

    Raises
    ------
    ImageError
        If a count in a header is out of range, the file ends early, or a compressed image has an unsafe codec or too many
        pixels.
    """
    headers = read_headers(data)
    packed_numbers = [number for number, header in enumerate(headers) if header.get("ZIMAGE", False)]
    for number in packed_numbers:
        header = headers[number]
        check_compression(header)
        sides = [header[f"ZNAXIS{axis + 1}"] for axis in range(header["ZNAXIS"])]
        if prod(sides) > max_pixels:
            raise ImageError(f"the FITS file has an image of {sides} pixels, more than the {max_pixels} that are allowed")
    if packed_numbers:
        check_tiles(data, packed_numbers, max_pixels)
    with fits.open(io.BytesIO(data), memmap=False) as file:
        yield file


def check_tiles(data: bytes, numbers: Sequence[int], max_pixels: int) -> None:
    """Reject tiles that decompress to more than their size; images are opened as tables, so astropy decompresses none."""
    with fits.open(io.BytesIO(data), memmap=False, disable_image_compression=True) as tables:
        for table in (tables[number] for number in numbers):
            header = table.header
            sides = [header.get(f"ZTILE{axis + 1}", 1 if axis else header["ZNAXIS1"]) for axis in range(header["ZNAXIS"])]
            if prod(sides) > max_pixels:
                raise ImageError(f"the FITS image has tiles of {sides} pixels, more than the {max_pixels} that are allowed")
            for name in {"COMPRESSED_DATA", "GZIP_COMPRESSED_DATA"} & set(table.columns.names):
                for tile in table.data[name]:
                    _check_unpacked(np.asarray(tile).tobytes(), limit=8 * prod(sides))


def _check_unpacked(tile: bytes, *, limit: int) -> None:
    if tile.startswith(GZIP_MAGIC) and len(zlib.decompressobj(wbits=31).decompress(tile, limit + 1)) > limit:
        raise ImageError(f"a tile of the FITS image unpacks to more than the {limit} bytes that it may have")

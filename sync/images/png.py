"""A PNG writer for displayed images, several times faster than Pillow's, which tries all filters on each row.

The pixels of an astronomical image are mostly noise without repeated sequences. Each value is therefore replaced by its
difference from the mean of its left and upper neighbours (PNG filter "Average"), and zlib uses only Huffman coding and runs of
equal values (`Z_RLE`). The files are as small as Pillow's.

References
----------
Portable Network Graphics (PNG) Specification, third edition, sections 5, 9 and 10.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

__all__ = ["to_png"]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
BITS, TRUE_COLOUR = 8, 2
AVERAGE = 3
"""Number of the filter type "Average"."""
LEVEL, WINDOW_BITS, MEMORY_LEVEL = 1, 15, 9


def to_png(pixels: NDArray[np.float32]) -> bytes:
    """Encode an image as 8-bit RGB PNG.

    Parameters
    ----------
    pixels : ndarray, shape (height, width, 3)
        In [0, 1].

    Raises
    ------
    ValueError
        If the array has another shape or a value outside [0, 1].
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise ValueError(f"pixels must have shape (height, width, 3), not {pixels.shape}")
    if not (pixels.min() >= 0 and pixels.max() <= 1):
        raise ValueError(f"pixels must lie in [0, 1], not in [{pixels.min()}, {pixels.max()}]")
    height, width, _ = pixels.shape
    values = np.rint(pixels * 255).astype(np.uint8).reshape(height, 3 * width)
    compressor = zlib.compressobj(LEVEL, zlib.DEFLATED, WINDOW_BITS, MEMORY_LEVEL, zlib.Z_RLE)
    compressed_rows = compressor.compress(_filter(values).tobytes()) + compressor.flush()
    size = struct.pack(">IIBBBBB", width, height, BITS, TRUE_COLOUR, 0, 0, 0)
    return SIGNATURE + _chunk(b"IHDR", size) + _chunk(b"IDAT", compressed_rows) + _chunk(b"IEND", b"")


def _filter(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Filter rows of RGB values, shape (height, 3 * width), and prepend the number of the filter to each."""
    height, length = values.shape
    above, left = np.zeros((2, height, length), dtype=np.uint16)
    above[1:], left[:, 3:] = values[:-1], values[:, :-3]
    rows = np.full((height, 1 + length), AVERAGE, dtype=np.uint8)
    np.subtract(values, (above + left) // 2, out=rows[:, 1:], casting="unsafe")  # modulo 256, as PNG defines it
    return rows


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

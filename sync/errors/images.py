"""The one exception that an image can cause."""

from __future__ import annotations

import struct
import zlib

__all__ = ["DAMAGE", "ImageError"]


class ImageError(ValueError):
    """An image that cannot be fetched or read; the message is one sentence that a project manager can act on."""


# What Pillow, tifffile and gzip were seen to raise on damaged files (Pillow's PNG reader even SyntaxError): they
# document none of it, so it is caught at the one place where each of them is called, and nowhere else.
DAMAGE: tuple[type[Exception], ...] = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BufferError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)

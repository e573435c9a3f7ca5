"""The exception for images that cannot be read, and the exceptions that image libraries raise on damaged files."""

from __future__ import annotations

import struct
import zlib

__all__ = ["DAMAGE", "ImageError"]


class ImageError(ValueError):
    """An image that cannot be fetched or read; the message is one sentence that a project manager can act on."""


# Exceptions that Pillow, tifffile and gzip raised on damaged files (Pillow's PNG reader raises SyntaxError). The libraries
# do not document them, so they are caught only where each library is called.
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

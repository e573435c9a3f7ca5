"""The error of a spectrum that cannot be used."""

from __future__ import annotations

from sync.errors.images import ImageError

__all__ = ["SpectrumError"]


class SpectrumError(ImageError):
    """A spectrum cannot be read or holds nothing usable; the message is one sentence."""

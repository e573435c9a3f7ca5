"""Exceptions raised while the celestial coordinates of a FITS header are read."""

from __future__ import annotations

__all__ = ["NoSkyError", "SkyError"]


class SkyError(ValueError):
    """Celestial coordinates cannot be computed; the message is one sentence that names the header card and its value."""


class NoSkyError(SkyError):
    """The header has no coordinate cards, as for a JPEG or PNG image; this is not a fault of the file."""

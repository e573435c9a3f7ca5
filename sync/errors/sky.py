"""The exceptions that the sky coordinates of a header can cause."""

from __future__ import annotations

__all__ = ["NoSkyError", "SkyError"]


class SkyError(ValueError):
    """No celestial coordinates can be computed; the message is one sentence that names the card and its value."""


class NoSkyError(SkyError):
    """The header does not speak of coordinates at all, as that of a picture: there is nothing to mend."""

"""What goes wrong between a region of Label Studio and an array."""

from __future__ import annotations

__all__ = ["ControlError", "OutsideError"]


class ControlError(ValueError):
    """A region cannot be read or written; the message is one sentence that names the value and what would be right."""


class OutsideError(ControlError):
    """A shape lies outside its image, wholly."""

"""What goes wrong between a region of Label Studio and an array."""

from __future__ import annotations

import reprlib

__all__ = ["ControlError", "OutsideError", "quote"]


class ControlError(ValueError):
    """A region cannot be read or written; the message is one sentence that names the value and what would be right."""


class OutsideError(ControlError):
    """A shape lies outside its image, wholly."""


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 80


def quote(thing: object) -> str:
    """Return `repr(thing)`, cut short: what comes from outside may be megabytes."""
    return _SHORT.repr(thing)

"""Exceptions raised while a Label Studio region is converted to an array, or an array to a region."""

from __future__ import annotations

import reprlib

__all__ = ["ControlError", "OutsideError", "quote"]


class ControlError(ValueError):
    """A region cannot be read or written; the message is one sentence that names the value and the valid ones."""


class OutsideError(ControlError):
    """A shape lies entirely outside its image."""


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 80


def quote(thing: object) -> str:
    """Return `repr(thing)`, shortened, because external input can be megabytes long."""
    return _SHORT.repr(thing)

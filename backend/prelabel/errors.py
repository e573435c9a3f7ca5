"""The error of pre-labelling."""

from __future__ import annotations

from sync.errors.failures import WrongCallError

__all__ = ["NoProjectError", "PrelabelError"]


class PrelabelError(RuntimeError):
    """A project that cannot be pre-labelled, or not to the end; the message is one sentence."""


class NoProjectError(WrongCallError, PrelabelError):
    """Label Studio has no project of that number."""

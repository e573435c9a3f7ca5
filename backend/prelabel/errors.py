"""The errors of pre-labelling."""

from __future__ import annotations

from sync.errors.failures import WrongCallError

__all__ = ["NoProjectError", "PrelabelError"]


class PrelabelError(RuntimeError):
    """A project cannot be pre-labelled, or not completely; the message is one sentence."""


class NoProjectError(WrongCallError, PrelabelError):
    """Label Studio has no project with that number."""

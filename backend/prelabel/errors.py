"""The error of pre-labelling."""

from __future__ import annotations

__all__ = ["PrelabelError"]


class PrelabelError(RuntimeError):
    """A project that cannot be pre-labelled, or not to the end; the message is one sentence."""

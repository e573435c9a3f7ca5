"""Errors of heads; each message names the problem and its solution in one sentence."""

from __future__ import annotations

__all__ = ["HeadError", "NotEnoughLabels"]


class HeadError(ValueError):
    """A stored head cannot be read: a file is missing, damaged, or of another format."""


class NotEnoughLabels(ValueError):  # noqa: N818 - a state of the project rather than a fault
    """There are too few annotations to train a head; more annotations resolve this."""

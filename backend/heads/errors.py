"""Errors of heads; their messages are sentences that tell a project manager what to do."""

from __future__ import annotations

__all__ = ["HeadError", "NotEnoughLabels"]


class HeadError(ValueError):
    """A stored head cannot be read: a file is missing, damaged, or of another format."""


class NotEnoughLabels(ValueError):  # noqa: N818 - a state of the project rather than a fault
    """There are too few annotations to learn from; more annotations resolve this."""

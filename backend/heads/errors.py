"""What can go wrong with a head, each in one sentence that a project manager can act on."""

from __future__ import annotations

__all__ = ["HeadError", "NotEnoughLabels"]


class HeadError(ValueError):
    """A stored head cannot be read: a file is missing, damaged, or of a format that is not ours."""


class NotEnoughLabels(ValueError):  # noqa: N818 - a state of the project rather than a fault
    """There are too few annotations to learn from; more of them is all that it takes."""

"""The kinds of controls."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Kind"]


class Kind(StrEnum):
    """What a control holds, which decides how it is predicted, trained and scored."""

    CLASSES = "classes"
    NUMBER = "number"
    OBJECTS = "objects"
    POINTS = "points"
    """Clicks: they prompt a mask and are not predicted."""

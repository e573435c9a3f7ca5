"""The kinds of controls."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Kind"]


class Kind(StrEnum):
    """Kind of a control's values, which decides how it is predicted, trained and scored."""

    CLASSES = "classes"
    NUMBER = "number"
    OBJECTS = "objects"
    POINTS = "points"
    """Clicks, which prompt a mask and are not predicted."""

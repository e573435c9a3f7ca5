"""What a detector says of one object, and which detector said it."""

from __future__ import annotations

from dataclasses import dataclass

from backend.heads.extraction.source import Source

__all__ = ["BY_EXTRACTION", "BY_LEARNING", "MAXIMUM_OBJECTS", "Detected"]

MAXIMUM_OBJECTS = 100
"""Nobody corrects more than that in one image."""
BY_EXTRACTION = "source extraction"
BY_LEARNING = "learned detector"


@dataclass(frozen=True, slots=True, eq=False)
class Detected:
    """One object: where, what, how sure the head is that people would keep it, 0 to 1, and who found it."""

    source: Source
    label: str
    score: float
    found_by: str = BY_EXTRACTION

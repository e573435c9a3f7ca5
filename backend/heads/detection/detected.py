"""A detected object: a source with its label, its score and the name of its detector."""

from __future__ import annotations

from dataclasses import dataclass

from backend.heads.extraction.source import Source

__all__ = ["BY_EXTRACTION", "BY_LEARNING", "MAXIMUM_OBJECTS", "Detected"]

MAXIMUM_OBJECTS = 100
"""Largest number of predicted objects of one image: annotators do not correct more."""
BY_EXTRACTION = "source extraction"
BY_LEARNING = "learned detector"


@dataclass(frozen=True, slots=True, eq=False)
class Detected:
    """One object: its source, label, probability that annotators keep it (0 to 1), and detector."""

    source: Source
    label: str
    score: float
    found_by: str = BY_EXTRACTION

"""The shipped encoder: the embeddings of two networks, joined.

The network of the shipped classifier has learned volunteers' votes, and sees a galaxy at 96 px. The general network has seen no
label of a galaxy, and sees more detail: numbers such as metallicity are predicted better from both. The heads that projects
train read both; the shipped classifier and the heads of objects read the first alone.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from backend.lvm.checkpoint_files import SHIPPED_CHECKPOINT, fingerprint

__all__ = ["GENERAL_AXES", "GENERAL_CHECKPOINT", "TURNS", "ShippedNames", "shipped_names"]

WEIGHTS = Path(__file__).parent / "weights"
GENERAL_CHECKPOINT = WEIGHTS / "general_encoder.safetensors"
GENERAL_AXES = WEIGHTS / "general_axes.safetensors"
FINGERPRINT_DIGITS = 16
TURNS = 2
"""Quarter turns over which the general network's embeddings are averaged: four take twice the time for little gain."""


@dataclass(frozen=True, slots=True)
class ShippedNames:
    """Fingerprints of the shipped encoder.

    Attributes
    ----------
    classifier : str
        Of the network of the shipped classifier, whose columns are the first.
    general : str
        Of the general network.
    both : str
        Of their joined embeddings.
    """

    classifier: str
    general: str
    both: str


@cache
def shipped_names() -> ShippedNames:
    """Return the fingerprints of the shipped encoder."""
    classifier = fingerprint(SHIPPED_CHECKPOINT)
    general = _hash(f"{fingerprint(GENERAL_CHECKPOINT)} {fingerprint(GENERAL_AXES)} {TURNS}")
    return ShippedNames(classifier, general, _hash(f"{classifier} {general}"))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:FINGERPRINT_DIGITS]

"""Files and fingerprints of the shipped encoder.

The embedding by the network of the shipped classifier is the first part of the shipped encoder's. The heads that projects train
read all of it; the shipped classifier and the heads of objects read the network alone.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from backend.lvm.checkpoint_files import SHIPPED_CHECKPOINT, fingerprint

__all__ = ["SHIPPED_AXES", "ShippedNames", "shipped_names"]

SHIPPED_AXES = Path(__file__).parent / "weights" / "shipped_axes.safetensors"
DETAILS_VERSION = "1"
"""Changes with the code of annular means and profiles."""
FINGERPRINT_DIGITS = 16


@dataclass(frozen=True, slots=True)
class ShippedNames:
    """Fingerprints of the shipped encoder.

    Attributes
    ----------
    classifier : str
        Of the network of the shipped classifier alone.
    whole : str
        Of the shipped encoder with all its parts.
    """

    classifier: str
    whole: str


@cache
def shipped_names() -> ShippedNames:
    """Return the fingerprints of the shipped encoder."""
    classifier = fingerprint(SHIPPED_CHECKPOINT)
    parts = f"{classifier} {fingerprint(SHIPPED_AXES)} {DETAILS_VERSION}"
    return ShippedNames(classifier, hashlib.sha256(parts.encode()).hexdigest()[:FINGERPRINT_DIGITS])

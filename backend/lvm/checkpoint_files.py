"""A checkpoint as a file: the shipped one, its fingerprint, and the error of one that cannot be used.

`backend/lvm/checkpoint.py` loads torch; commands that only read import this module instead.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

__all__ = ["SHIPPED_CHECKPOINT", "CheckpointError", "fingerprint"]

SHIPPED_CHECKPOINT = Path(__file__).parent / "weights" / "encoder.safetensors"


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the message gives the reason in one sentence."""


def fingerprint(path: Path) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 hash of a checkpoint."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]

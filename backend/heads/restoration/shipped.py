"""The folder of the shipped restorer, and the fingerprint by which pictures name the network that drew them."""

from __future__ import annotations

import hashlib
from pathlib import Path

from backend.registry.version_files import ARRAYS_NAME

__all__ = ["SHIPPED_RESTORER", "network_fingerprint"]

SHIPPED_RESTORER = Path(__file__).parents[1] / "weights" / "restoration"


def network_fingerprint(folder: Path = SHIPPED_RESTORER) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of a stored network.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    return hashlib.sha256((folder / ARRAYS_NAME).read_bytes()).hexdigest()[:16]

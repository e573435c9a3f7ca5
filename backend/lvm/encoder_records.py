"""The record of one encoder in the store, and the hash of its files, which is its name. Neither loads torch."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "CHECKPOINT_NAME",
    "IMPORTED",
    "OURS",
    "RECORD_NAME",
    "SHIPPED",
    "SHIPPED_CLASSIFIER",
    "TIMM",
    "StoredEncoder",
    "hash_files",
    "read_record",
]

RECORD_NAME = "encoder.json"
CHECKPOINT_NAME = "encoder.safetensors"
FINGERPRINT_DIGITS = 16
IMPORTED, OURS, TIMM = "vectors", "galaxyloop", "timm"
SHIPPED, SHIPPED_CLASSIFIER = "shipped", "shipped-classifier"
"""Specifications of the shipped encoder, and of its first network alone, which was the shipped encoder before it had two."""


@dataclass(frozen=True, slots=True)
class StoredEncoder:
    """One encoder of the store.

    Attributes
    ----------
    fingerprint : str
        First 16 hexadecimal digits of a hash of its files.
    spec : str
        Specification that it was added by.
    kind : {"galaxyloop", "timm", "vectors"}
    dimension : int
        Length of an embedding.
    image_px : int
        Side of its images, pixels; 0 for imported embeddings.
    added_at : float
        Unix time.
    """

    fingerprint: str
    spec: str
    kind: str
    dimension: int
    image_px: int
    added_at: float


def read_record(folder: Path) -> StoredEncoder | None:
    """Read the record of an encoder; None if there is none that can be read."""
    try:
        fields = json.loads((folder / RECORD_NAME).read_bytes())
        return StoredEncoder(**fields)
    except (OSError, ValueError, TypeError):
        return None


def hash_files(folder: Path) -> str:
    """Return a hash of the names and contents of the files of an encoder, without its record."""
    digest = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        if file.name != RECORD_NAME:
            with file.open("rb") as content:
                digest.update(file.name.encode() + b"\0" + hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()[:FINGERPRINT_DIGITS]

"""The files of one encoder in the store: its record, the network or the embeddings, and their hash."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch

from backend.lvm.checkpoint import CheckpointError, load_encoder
from backend.lvm.embeddings import Embedder
from backend.lvm.openvino_encoder import load_fastest_encoder
from backend.lvm.timm_encoder import copy_timm_folder, load_timm_encoder

__all__ = [
    "CHECKPOINT_NAME",
    "IMPORTED",
    "OURS",
    "RECORD_NAME",
    "StoredEncoder",
    "WriteEncoder",
    "hash_files",
    "load_network",
    "read_record",
    "write_checkpoint",
    "write_timm",
]

RECORD_NAME = "encoder.json"
CHECKPOINT_NAME = "encoder.safetensors"
FINGERPRINT_DIGITS = 16
IMPORTED, OURS, TIMM = "vectors", "galaxyloop", "timm"


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


class WriteEncoder(Protocol):
    """Writes the files of an encoder into an empty folder, loads them, and returns kind, dimension and side of its images."""

    def __call__(self, folder: Path) -> tuple[str, int, int]: ...


def read_record(folder: Path) -> StoredEncoder | None:
    """Read the record of an encoder; None if there is none that can be read."""
    try:
        fields = json.loads((folder / RECORD_NAME).read_bytes())
        return StoredEncoder(**fields)
    except (OSError, ValueError, TypeError):
        return None


def load_network(record: StoredEncoder, folder: Path) -> Embedder:
    """Load the network of an encoder.

    Raises
    ------
    CheckpointError
        If its files cannot be read.
    """
    return load_fastest_encoder(folder / CHECKPOINT_NAME) if record.kind == OURS else load_timm_encoder(folder)


def write_checkpoint(checkpoint: Path, folder: Path) -> tuple[str, int, int]:
    """Copy a checkpoint of galaxyloop; return kind, dimension and side of its images."""
    encoder = load_encoder(checkpoint)
    if not all(torch.isfinite(weights).all() for weights in encoder.state_dict().values()):
        raise CheckpointError(f"the weights in {checkpoint} have values that are not finite")
    (folder / CHECKPOINT_NAME).write_bytes(checkpoint.read_bytes())
    return OURS, encoder.dimension, encoder.image_px


def write_timm(source: Path, folder: Path, spec: str) -> tuple[str, int, int]:
    """Copy a folder of timm; return kind, dimension and side of its images."""
    try:
        copy_timm_folder(source, folder)
    except CheckpointError as error:
        raise CheckpointError(f"the encoder {spec} cannot be used: {error}") from error
    try:
        encoder = load_timm_encoder(folder)
    except CheckpointError as error:
        raise CheckpointError(str(error).replace(f"in {folder}", spec)) from error
    return TIMM, encoder.dimension, encoder.image_px


def hash_files(folder: Path) -> str:
    """Return a hash of the names and contents of the files of an encoder, without its record."""
    digest = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        if file.name != RECORD_NAME:
            with file.open("rb") as content:
                digest.update(file.name.encode() + b"\0" + hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()[:FINGERPRINT_DIGITS]

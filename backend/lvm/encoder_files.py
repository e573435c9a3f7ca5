"""The network of one encoder in the store: copied into its folder, and loaded from it."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import torch

from backend.lvm.checkpoint import CheckpointError, load_encoder
from backend.lvm.embeddings import Embedder
from backend.lvm.encoder_records import CHECKPOINT_NAME, OURS, TIMM, StoredEncoder
from backend.lvm.openvino_encoder import load_fastest_encoder
from backend.lvm.timm_encoder import copy_timm_folder, load_timm_encoder

__all__ = ["WriteEncoder", "load_network", "write_checkpoint", "write_timm"]


class WriteEncoder(Protocol):
    """Writes the files of an encoder into an empty folder, loads them, and returns kind, dimension and side of its images."""

    def __call__(self, folder: Path) -> tuple[str, int, int]: ...


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

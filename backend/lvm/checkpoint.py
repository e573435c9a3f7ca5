"""Encoder checkpoints: safetensors whose metadata say what network the weights belong to.

A checkpoint is read, never executed: safetensors hold numbers and strings only, so a pickle that poses as one is refused.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from backend.lvm.encoder import Encoder, EncoderConfig

__all__ = ["SHIPPED_CHECKPOINT", "CheckpointError", "fingerprint", "load_encoder", "save_encoder"]

FORMAT = "galaxyloop-encoder-1"
SHIPPED_CHECKPOINT = Path(__file__).parent / "weights" / "encoder.safetensors"


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the message says why in one sentence."""


def save_encoder(encoder: Encoder, path: Path, *, training: dict[str, float | int | str]) -> None:
    """Write an encoder so that a reader sees the old file or the new one, never half of it.

    Parameters
    ----------
    encoder : Encoder
        Weights are stored as float16, half the size and exact enough for frozen features.
    path : Path
        Where; folders are made.
    training : dict
        How it was trained (steps, seconds, hardware, data), kept for the model card.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = {
        "format": FORMAT,
        "config": json.dumps(asdict(encoder.config)),
        "training": json.dumps(training),
    }
    unfinished = path.with_suffix(".unfinished")
    save_file({name: tensor.half().contiguous() for name, tensor in encoder.state_dict().items()}, unfinished, metadata)
    os.replace(unfinished, path)


def load_encoder(path: Path) -> Encoder:
    """Read an encoder, ready to embed.

    Raises
    ------
    CheckpointError
        If the file is missing, is no safetensors file, or holds another network.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            weights = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"the checkpoint {path} cannot be read as safetensors: {error}") from error
    if metadata.get("format") != FORMAT:
        raise CheckpointError(f"the checkpoint {path} says format {metadata.get('format')!r}, expected {FORMAT!r}")
    try:
        fields: dict[str, Any] = dict(json.loads(metadata["config"]))
        settings: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in fields.items()}
        config = EncoderConfig(**settings)
        encoder = Encoder(config)
        encoder.load_state_dict(weights)
    except (ArithmeticError, AssertionError, KeyError, TypeError, ValueError, RuntimeError) as error:  # as torch and timm raise
        raise CheckpointError(f"the weights in {path} do not fit the network it names: {error}") from error
    return encoder.eval().requires_grad_(False)


def fingerprint(path: Path) -> str:
    """Name a checkpoint by its content: 16 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]

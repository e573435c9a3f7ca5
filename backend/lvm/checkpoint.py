"""Checkpoints of the vision model: safetensors whose metadata say what network the weights belong to.

A checkpoint is read, never executed: safetensors hold numbers and strings only, so a pickle that poses as one is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from backend.lvm.batch_norm_fusion import fold_batch_norm
from backend.lvm.decoder import Decoder
from backend.lvm.encoder import FAMILIES, Encoder, EncoderConfig
from sync.files.atomic import atomic_write

__all__ = ["SHIPPED_CHECKPOINT", "CheckpointError", "fingerprint", "load_encoder", "load_model", "save_model"]

FORMAT = "galaxyloop-model-1"
DECODER = "decoder."
"""Prefix of the decoder's weights; the encoder's have none."""
SHIPPED_CHECKPOINT = Path(__file__).parent / "weights" / "encoder.safetensors"

Network = TypeVar("Network", bound=nn.Module)


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the message says why in one sentence."""


def save_model(encoder: Encoder, decoder: Decoder | None, path: Path, *, training: Mapping[str, Any]) -> None:
    """Write a model so that a reader sees the old file or the new one, never half of it.

    Parameters
    ----------
    encoder, decoder : Encoder, Decoder or None
        Weights are stored as float16, half the size and exact enough for frozen features.
    path : Path
        Where; folders are made.
    training : mapping
        How it was trained (steps, seconds, hardware, data), kept for the model card; JSON.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    config = json.dumps({"family": encoder.config.family} | asdict(encoder.config))
    metadata = {"format": FORMAT, "config": config, "training": json.dumps(training)}
    weights = encoder.state_dict()
    if decoder is not None:
        weights |= {DECODER + name: tensor for name, tensor in decoder.state_dict().items()}
    halved = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in weights.items()}
    with atomic_write(path) as file:
        file.write(save({name: tensor.cpu().contiguous() for name, tensor in halved.items()}, metadata))


def load_encoder(path: Path) -> Encoder:
    """Read an encoder to embed with: frozen, and folded for speed.

    Raises
    ------
    CheckpointError
        If the file is missing, is no safetensors file, or holds another network.
    """
    config, weights = _read(path)
    encoder_weights = {name: tensor for name, tensor in weights.items() if not name.startswith(DECODER)}
    encoder = _filled(Encoder(config), encoder_weights, path).requires_grad_(False)
    fold_batch_norm(encoder)
    return encoder.to(memory_format=torch.channels_last)  # up to twice as fast for convolutions on CPUs


def load_model(path: Path) -> tuple[Encoder, Decoder]:
    """Read encoder and decoder as they were trained, to go on training or to rebuild images.

    Raises
    ------
    CheckpointError
        As `load_encoder`, or if the file holds an encoder alone.
    """
    config, weights = _read(path)
    encoder_weights = {name: tensor for name, tensor in weights.items() if not name.startswith(DECODER)}
    decoder_weights = {name.removeprefix(DECODER): w for name, w in weights.items() if name.startswith(DECODER)}
    if not decoder_weights:
        raise CheckpointError(f"the checkpoint {path} holds an encoder without a decoder")
    return _filled(Encoder(config), encoder_weights, path), _filled(Decoder(config), decoder_weights, path)


def fingerprint(path: Path) -> str:
    """Name a checkpoint by its content: 16 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _read(path: Path) -> tuple[EncoderConfig, dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            weights = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"the checkpoint {path} cannot be read as safetensors: {error}") from error
    if metadata.get("format") != FORMAT:
        raise CheckpointError(f"the checkpoint {path} says format {metadata.get('format')!r}, expected {FORMAT!r}")
    try:
        fields: dict[str, Any] = dict(json.loads(metadata["config"]))
        settings: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in fields.items()}
        config = FAMILIES[settings.pop("family")](**settings)
        Encoder(config)  # as good a check of the numbers as any
    except (ArithmeticError, AssertionError, KeyError, TypeError, ValueError, RuntimeError) as error:  # as torch and timm raise
        raise _misfit(path, error) from error
    return config, weights


def _filled(network: Network, weights: dict[str, Tensor], path: Path) -> Network:
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise _misfit(path, error) from error
    return network.eval()


def _misfit(path: Path, error: Exception) -> CheckpointError:
    return CheckpointError(f"the weights in {path} do not fit the network it names: {error}")

"""Checkpoints of the vision model: safetensors files whose metadata name the network of the weights.

Reading a checkpoint never executes code: safetensors hold numbers and strings only, and a pickle file is rejected.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from backend.lvm.batch_norm_fusion import fuse_batch_norm
from backend.lvm.checkpoint_files import SHIPPED_CHECKPOINT, CheckpointError, fingerprint
from backend.lvm.decoder import Decoder
from backend.lvm.encoder import FAMILIES, Encoder, EncoderConfig
from sync.files.atomic import atomic_write

__all__ = ["SHIPPED_CHECKPOINT", "CheckpointError", "fingerprint", "load_encoder", "load_model", "save_model"]

FORMAT = "galaxyloop-model-1"
DECODER = "decoder."
"""Prefix of the names of the decoder's weights; names of the encoder's weights have no prefix."""

Network = TypeVar("Network", bound=nn.Module)


def save_model(encoder: Encoder, decoder: Decoder | None, path: Path, *, training: Mapping[str, Any]) -> None:
    """Write a model to a checkpoint, atomically.

    Parameters
    ----------
    encoder, decoder : Encoder, Decoder or None
        Weights are stored as float16: half the size, with sufficient precision for frozen features.
    path : Path
        File to write; missing folders are created.
    training : mapping
        Record of the training for the model card (steps, seconds, hardware, data), JSON-serialisable.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    config = json.dumps({"family": encoder.config.family} | asdict(encoder.config))
    metadata = {"format": FORMAT, "config": config, "training": json.dumps(training)}
    weights = encoder.state_dict()
    if decoder is not None:
        weights |= {DECODER + name: tensor for name, tensor in decoder.state_dict().items()}
    half_weights = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in weights.items()}
    with atomic_write(path) as file:
        file.write(save({name: tensor.cpu().contiguous() for name, tensor in half_weights.items()}, metadata))


def load_encoder(path: Path) -> Encoder:
    """Read an encoder for inference: frozen, with batch normalisation fused for speed.

    Raises
    ------
    CheckpointError
        If the file is missing, is not a safetensors file, or its weights do not fit the network that it names.
    """
    config, weights = _read(path)
    encoder_weights = {name: tensor for name, tensor in weights.items() if not name.startswith(DECODER)}
    encoder = _load_weights(Encoder(config), encoder_weights, path).requires_grad_(False)
    fuse_batch_norm(encoder)
    return encoder.to(memory_format=torch.channels_last)  # up to twice as fast for convolutions on CPUs


def load_model(path: Path) -> tuple[Encoder, Decoder]:
    """Read encoder and decoder without fusion, to continue a training or to reconstruct images.

    Raises
    ------
    CheckpointError
        As `load_encoder`, or if the file holds an encoder without a decoder.
    """
    config, weights = _read(path)
    encoder_weights = {name: tensor for name, tensor in weights.items() if not name.startswith(DECODER)}
    decoder_weights = {name.removeprefix(DECODER): w for name, w in weights.items() if name.startswith(DECODER)}
    if not decoder_weights:
        raise CheckpointError(f"the checkpoint {path} holds an encoder without a decoder")
    return _load_weights(Encoder(config), encoder_weights, path), _load_weights(Decoder(config), decoder_weights, path)


def _read(path: Path) -> tuple[EncoderConfig, dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            weights = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"the checkpoint {path} cannot be read as safetensors: {error}") from error
    if metadata.get("format") != FORMAT:
        raise CheckpointError(f"the checkpoint {path} has the format {metadata.get('format')!r}, not {FORMAT!r}")
    try:
        fields: dict[str, Any] = dict(json.loads(metadata["config"]))
        settings: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in fields.items()}
        config = FAMILIES[settings.pop("family")](**settings)
        Encoder(config)  # checks the settings
    except (ArithmeticError, AssertionError, KeyError, TypeError, ValueError, RuntimeError) as error:  # as torch and timm raise
        raise _misfit(path, error) from error
    return config, weights


def _load_weights(network: Network, weights: dict[str, Tensor], path: Path) -> Network:
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise _misfit(path, error) from error
    return network.eval()


def _misfit(path: Path, error: Exception) -> CheckpointError:
    return CheckpointError(f"the weights in {path} do not fit the network it names: {error}")

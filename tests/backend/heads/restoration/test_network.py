"""Both forms of the network: an untrained one changes nothing, and results scale with the brightness."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from backend.heads.restoration.convolutional import ConvolutionalConfig
from backend.heads.restoration.network import MEDIUM, Restoring
from backend.heads.restoration.swin import SwinUNetConfig
from backend.heads.restoration.tikhonov import deconvolve

CONFIGS = [ConvolutionalConfig(widths=(8, 16), blocks=1), SwinUNetConfig(widths=(16, 32))]
IMAGES = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 37, 50)).astype(np.float32))
NOISE = torch.ones(2)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.form)
def test_an_untrained_network_returns_the_filtered_image(config: ConvolutionalConfig | SwinUNetConfig) -> None:
    filter_images = deconvolve(IMAGES, None, NOISE)
    restoration = Restoring(config).eval()(IMAGES, filter_images, NOISE, torch.zeros(2))
    assert torch.equal(restoration.mean, filter_images.images[:, MEDIUM])
    assert (restoration.std > 0).all()


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.form)
def test_results_scale_with_the_brightness(config: ConvolutionalConfig | SwinUNetConfig) -> None:
    torch.manual_seed(0)
    network = Restoring(config).eval()
    for weights in network.parameters():
        torch.nn.init.normal_(weights, std=0.1)
    faint = network(IMAGES, deconvolve(IMAGES, None, NOISE), NOISE, torch.zeros(2))
    bright = network(1000 * IMAGES, deconvolve(1000 * IMAGES, None, 1000 * NOISE), 1000 * NOISE, torch.zeros(2))
    assert torch.allclose(bright.mean, 1000 * faint.mean, rtol=1e-3, atol=1)
    assert torch.allclose(bright.std, 1000 * faint.std, rtol=1e-3)

"""Retention: the whitened embedding of the frozen start network is predicted from the trained embedding."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.optim.swa_utils import update_bn

from backend.lvm.backbones.efficientnet import EfficientNetConfig
from backend.lvm.backbones.swin import SwinConfig
from backend.lvm.encoder import Encoder, EncoderConfig
from backend.lvm.pretraining.objectives.retention import Retention

NETWORK = SwinConfig(image_px=32, patch_px=4, window=4, width=16, depths=(1, 1), heads=(1, 2))
IMAGES = torch.rand(64, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def start_from(network: EncoderConfig) -> tuple[Retention, Encoder]:
    torch.manual_seed(0)
    encoder, retention = Encoder(network).eval(), Retention(network)
    retention.remember(encoder, IMAGES.split(16))
    return retention, encoder


def fit(retention: Retention, embeddings: Tensor) -> float:
    """Fit the linear map and return the loss."""
    targets = (retention.start(IMAGES) - retention.mean) @ retention.whitening
    rows = torch.cat([embeddings, torch.ones(len(embeddings), 1)], dim=1)
    solution = torch.linalg.lstsq(rows, targets, driver="gelsd").solution
    with torch.no_grad():
        retention.predict.weight.copy_(solution[:-1].T)
        retention.predict.bias.copy_(solution[-1])
    return float(retention(embeddings, IMAGES).detach())


@pytest.mark.parametrize("network", [NETWORK, EfficientNetConfig(image_px=32)], ids=lambda config: config.family)
def test_the_start_network_is_copied_and_its_embedding_whitened(network: EncoderConfig) -> None:
    retention, encoder = start_from(network)
    with torch.no_grad():
        update_bn(IMAGES.split(16), encoder)
        embeddings = encoder.eval()(IMAGES)
        assert torch.allclose(retention.start(IMAGES), embeddings, atol=1e-4)
    components = (embeddings - retention.mean) @ retention.whitening
    strong = components[:, components.std(dim=0) > 0]
    assert strong.shape[1] > 5
    assert torch.allclose(strong.T @ strong / len(strong), torch.eye(strong.shape[1]), atol=0.02)


def test_an_unchanged_embedding_has_no_loss_and_a_lost_feature_has() -> None:
    retention, encoder = start_from(NETWORK)
    with torch.no_grad():
        embeddings = encoder(IMAGES)
    assert fit(retention, embeddings) < 0.01
    rest = embeddings.clone()
    rest[:, 8:] = 0
    assert fit(retention, rest) > 0.2


def test_training_does_not_change_the_start_network() -> None:
    retention, _ = start_from(EfficientNetConfig(image_px=32))
    before = {name: tensor.clone() for name, tensor in retention.start.state_dict().items()}
    retention.train()
    embeddings = torch.randn(64, 1280, requires_grad=True)
    retention(embeddings, IMAGES).backward()
    assert embeddings.grad is not None
    assert embeddings.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in retention.start.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in retention.start.state_dict().items())

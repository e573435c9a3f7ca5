"""The encoder: an image becomes one vector, which rotations and mirror images of the galaxy do not change."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from backend.lvm.backbones.efficientnet import EfficientNetConfig
from backend.lvm.backbones.swin import SwinConfig
from backend.lvm.encoder import NETWORKS, Encoder, EncoderConfig, quarter_turns

SMALL = SwinConfig(image_px=32, patch_px=4, window=4, width=12, depths=(1, 1), heads=(1, 2))


@pytest.fixture(scope="module", params=[SMALL, EfficientNetConfig(image_px=32)], ids=["Swin", "EfficientNet"])
def encoder(request: pytest.FixtureRequest) -> Encoder:
    torch.manual_seed(0)
    return Encoder(request.param).eval()


def images(n: int = 2, seed: int = 1) -> Tensor:
    return torch.rand(n, 3, SMALL.image_px, SMALL.image_px, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("width", "depths", "dimension"), [(12, (1,), 12), (12, (1, 1), 24), (48, (2, 2, 6, 2), 384)])
def test_each_stage_doubles_the_embedding(width: int, depths: tuple[int, ...], dimension: int) -> None:
    assert SwinConfig(width=width, depths=depths).dimension == dimension


def test_an_embedding_is_finite_and_has_the_stated_length(encoder: Encoder) -> None:
    embeddings = encoder.embed(images(5))
    assert (embeddings.shape, embeddings.dtype) == ((5, encoder.config.dimension), torch.float32)
    assert embeddings.isfinite().all()


def test_all_orientations_have_the_same_embedding(encoder: Encoder) -> None:
    image = images(1)
    for view in quarter_turns(image):
        assert torch.allclose(encoder.embed(view), encoder.embed(image), atol=1e-5)


def test_there_are_four_different_quarter_turns() -> None:
    views = quarter_turns(images(1))
    assert len({view.numpy().tobytes() for view in views}) == len(views) == 4


def test_an_embedding_does_not_depend_on_the_batch(encoder: Encoder) -> None:
    several = images(4)
    alone = torch.cat([encoder.embed(image[None]) for image in several])
    assert torch.allclose(encoder.embed(several), alone, atol=1e-5)


def test_different_images_have_different_embeddings(encoder: Encoder) -> None:
    first, second = encoder.embed(images(2))
    assert not torch.allclose(first, second, atol=1e-3)


@pytest.mark.parametrize("brightness", [0.0, 1.0])
def test_empty_and_saturated_images_have_embeddings(encoder: Encoder, brightness: float) -> None:
    assert encoder.embed(torch.full((1, 3, 32, 32), brightness)).isfinite().all()


# -- the pyramid --


@pytest.mark.parametrize("size", [(64, 64), (32, 96), (70, 41), (33, 1), (200, 131)])
def test_an_image_of_any_size_becomes_a_pyramid(encoder: Encoder, size: tuple[int, int]) -> None:
    height, width = size
    with torch.inference_mode():
        pyramid = encoder.pyramid(torch.rand(2, 3, height, width))
    for level, channels, stride in zip(pyramid, encoder.config.channels, encoder.config.strides, strict=True):
        assert level.shape == (2, channels, -(-height // stride), -(-width // stride))
        assert level.isfinite().all()


@pytest.mark.parametrize("config", NETWORKS.values(), ids=NETWORKS)
def test_every_network_has_the_strides_that_detectors_expect(config: EncoderConfig) -> None:
    assert config.strides == (4, 8, 16, 32)
    assert config.image_px % config.strides[-1] == 0


def test_padding_is_black(encoder: Encoder) -> None:
    image = images(1)[..., :20, :24]
    canvas = torch.zeros(1, 3, 24, 24)
    canvas[..., :20, :24] = image
    with torch.inference_mode():
        finest, of_padded = encoder.pyramid(image)[0], encoder.pyramid(canvas)[0]
    assert torch.allclose(finest, of_padded[..., :5, :6], atol=1e-5)


def test_the_embedding_is_pooled_from_the_pyramid(encoder: Encoder) -> None:
    with torch.inference_mode():
        assert torch.allclose(encoder.pool(encoder.pyramid(images(3))), encoder(images(3)), atol=1e-6)

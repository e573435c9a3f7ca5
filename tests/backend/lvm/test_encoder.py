"""The encoder: an image becomes one vector, the same whichever way up the galaxy is."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from backend.lvm.encoder import Encoder, EncoderConfig, dihedral_views

SMALL = EncoderConfig(image_px=32, patch_px=4, window=4, width=12, depths=(1, 1), heads=(1, 2))


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    torch.manual_seed(0)
    return Encoder(SMALL).eval()


def images(n: int = 2, seed: int = 1) -> Tensor:
    return torch.rand(n, 3, SMALL.image_px, SMALL.image_px, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("width", "depths", "dimension"), [(12, (1,), 12), (12, (1, 1), 24), (48, (2, 2, 6, 2), 384)])
def test_each_stage_doubles_the_embedding(width: int, depths: tuple[int, ...], dimension: int) -> None:
    assert EncoderConfig(width=width, depths=depths).dimension == dimension


def test_an_image_becomes_a_finite_vector_of_the_announced_length(encoder: Encoder) -> None:
    embedded = encoder.embed(images(5))
    assert (embedded.shape, embedded.dtype) == ((5, SMALL.dimension), torch.float32)
    assert embedded.isfinite().all()


def test_every_way_up_has_the_same_embedding(encoder: Encoder) -> None:
    image = images(1)
    for view in dihedral_views(image):
        assert torch.allclose(encoder.embed(view), encoder.embed(image), atol=1e-5)


def test_there_are_eight_ways_up_and_no_two_are_alike() -> None:
    views = dihedral_views(images(1))
    assert len({view.numpy().tobytes() for view in views}) == len(views) == 8


def test_an_image_has_the_same_embedding_in_any_company(encoder: Encoder) -> None:
    several = images(4)
    alone = torch.cat([encoder.embed(image[None]) for image in several])
    assert torch.allclose(encoder.embed(several), alone, atol=1e-5)


def test_different_images_have_different_embeddings(encoder: Encoder) -> None:
    one, other = encoder.embed(images(2))
    assert not torch.allclose(one, other, atol=1e-3)


@pytest.mark.parametrize("brightness", [0.0, 1.0])
def test_an_empty_or_blinding_sky_is_embedded_all_the_same(encoder: Encoder, brightness: float) -> None:
    assert encoder.embed(torch.full((1, 3, 32, 32), brightness)).isfinite().all()

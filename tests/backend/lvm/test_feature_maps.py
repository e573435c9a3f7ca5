"""Pyramids: feature maps of an image are equal from the encoder and from disk."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from backend.images.store import StoredImage
from backend.lvm.backbones.swin import SwinConfig
from backend.lvm.encoder import Encoder
from backend.lvm.feature_maps import FINEST_STRIDE_PX, Pyramids
from sync.files.cache import FileCache


class Album:
    """Images that count how often they are read."""

    def __init__(self) -> None:
        self.read = 0

    def image(self, key: str, *, size: tuple[int, int] = (90, 70)) -> StoredImage:
        content = io.BytesIO()
        noise = np.random.default_rng(len(key)).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
        Image.fromarray(noise).save(content, "PNG")

        def read() -> bytes:
            self.read += 1
            return content.getvalue()

        return StoredImage(key, read, 10**7)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    torch.manual_seed(0)
    config = SwinConfig(image_px=64, window=4, width=12, depths=(1, 1, 1, 1), heads=(2, 2, 2, 2))
    return Encoder(config).eval().requires_grad_(False)


@pytest.fixture
def cache(tmp_path: Path) -> FileCache:
    return FileCache(tmp_path, max_bytes=2**30)


def test_feature_maps_have_the_stated_shapes(encoder: Encoder) -> None:
    pyramids = Pyramids(encoder, None, fingerprint="a")
    pyramid = pyramids.of_pixels(np.zeros((300, 200, 3), np.float32))
    ((tile, levels),) = list(pyramid)
    assert tile.scaled_size == (200, 300)
    assert pyramids.strides[0] == FINEST_STRIDE_PX
    shapes = [(1, c, -(-300 // s), -(-200 // s)) for c, s in zip(pyramids.channels, pyramids.strides, strict=True)]
    assert [tuple(level.shape) for level in levels] == shapes


def test_cached_feature_maps_are_equal_and_read_no_image(encoder: Encoder, cache: FileCache) -> None:
    album = Album()
    first = [levels for _, levels in Pyramids(encoder, cache, fingerprint="a").of(album.image("p"))]
    before = album.read
    pyramid = Pyramids(encoder, cache, fingerprint="a").of(album.image("p"))
    second = [levels for _, levels in pyramid]
    assert (album.read, pyramid.size) == (before, (90, 70))
    assert all(torch.equal(a, b) for a, b in zip(first[0], second[0], strict=True))


def test_another_encoder_or_image_is_computed_again(encoder: Encoder, cache: FileCache) -> None:
    album = Album()
    for fingerprint, key in (("a", "p"), ("b", "p"), ("a", "other")):
        list(Pyramids(encoder, cache, fingerprint=fingerprint).of(album.image(key), size=(90, 70)))
    assert album.read == 3


def test_a_frame_is_decoded_once_per_pass(encoder: Encoder, cache: FileCache) -> None:
    album = Album()
    pyramid = Pyramids(encoder, cache, fingerprint="a").of(album.image("p", size=(900, 600)))
    read = album.read
    assert len(list(pyramid)) == len(pyramid.tiles) > 1
    assert album.read == read + 1


def test_feature_maps_are_computed_when_they_are_read(encoder: Encoder, cache: FileCache, tmp_path: Path) -> None:
    pyramid = Pyramids(encoder, cache, fingerprint="a").of(Album().image("p"))
    before = len(list(tmp_path.glob("*/*")))
    pyramid.levels(pyramid.tiles[0])
    assert len(list(tmp_path.glob("*/*"))) == before + 1


def test_feature_maps_can_be_used_in_training(encoder: Encoder) -> None:
    pyramid = Pyramids(encoder, None, fingerprint="a").of_pixels(np.zeros((64, 64, 3), np.float32))
    level = pyramid.levels(pyramid.tiles[0])[0]
    weight = torch.nn.Conv2d(level.shape[1], 1, 1)
    weight(level).sum().backward()
    assert weight.weight.grad is not None

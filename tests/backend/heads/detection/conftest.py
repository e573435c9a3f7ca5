"""Fixtures: a tiny encoder with random weights, and scenes of bright discs with known boxes."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from backend.images.store import StoredImage
from backend.lvm.backbones.swin import SwinConfig
from backend.lvm.encoder import Encoder
from backend.lvm.feature_maps import FeaturePyramid, Pyramids
from sync.files.cache import FileCache, key_of
from sync.geometry.shapes import Box


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    torch.manual_seed(0)
    config = SwinConfig(image_px=64, window=4, width=24, depths=(1, 1, 1, 1), heads=(2, 2, 2, 2))
    return Encoder(config).eval().requires_grad_(False)


def stored_image_of(pixels: NDArray[np.float32]) -> StoredImage:
    """Return an image as a PNG in memory."""
    content = io.BytesIO()
    Image.fromarray((pixels.clip(0, 1) * 255).round().astype(np.uint8)).save(content, "PNG")
    return StoredImage(key_of(content.getvalue()), content.getvalue, pixels.size)


@pytest.fixture(scope="session")
def pyramid_of(encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Callable[[NDArray[np.float32]], FeaturePyramid]:
    """Return a function that computes the feature maps of an image through a cache, as in training."""
    pyramids = Pyramids(encoder, FileCache(tmp_path_factory.mktemp("maps"), max_bytes=2**28), fingerprint="tiny")
    return lambda pixels: pyramids.of(stored_image_of(pixels))


@pytest.fixture
def pyramids(encoder: Encoder) -> Pyramids:
    """Return feature maps without a cache."""
    return Pyramids(encoder, None, fingerprint="tiny")


@pytest.fixture(scope="session")
def discs() -> Callable[..., tuple[Any, list[tuple[Box, str]]]]:
    """Return a function that draws discs on a noisy sky and returns their boxes: "red" discs, and blue ones if requested."""

    def draw(seed: int, *, count: int = 4, side: int = 144, labels: tuple[str, ...] = ("red",)) -> Any:
        rng = np.random.default_rng(seed)
        image = rng.normal(0.05, 0.02, (side, side, 3))
        rows, columns = np.mgrid[:side, :side] + 0.5
        boxes, places = [], rng.permutation(9)[:count]
        for place in places:
            x, y = (side / 3 * (np.array([place % 3, place // 3]) + 0.5) + rng.uniform(-6, 6, 2)).tolist()
            radius, label = float(rng.uniform(8, 15)), str(rng.choice(labels))
            disc = np.hypot(columns - x, rows - y) < radius
            image[disc] += (0.7, 0.3, 0.1) if label == "red" else (0.1, 0.3, 0.7)
            boxes.append((Box(x - radius, y - radius, 2 * radius, 2 * radius), label))
        return image.clip(0, 1).astype(np.float32), boxes

    return draw

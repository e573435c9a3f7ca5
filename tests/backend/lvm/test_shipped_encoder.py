"""The shipped encoder: the classifier's embedding first, then numbers that a head can use beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from backend.lvm import shipped_encoder
from backend.lvm.checkpoint import SHIPPED_CHECKPOINT, CheckpointError, load_encoder
from backend.lvm.shipped_encoder import ShippedEncoder, load_shipped_encoder

pytestmark = pytest.mark.slow
NETWORK = 1280


@pytest.fixture(scope="module")
def encoder() -> ShippedEncoder:
    return load_shipped_encoder(load_encoder)


def images(count: int, *, seed: int = 0) -> torch.Tensor:
    """Return exponential discs of various sizes and colours with noise, shape (count, 3, 96, 96)."""
    source = np.random.default_rng(seed)
    rows, columns = np.indices((96, 96)) - 47.5
    discs = []
    for _ in range(count):
        light = np.exp(-np.hypot(columns, rows * source.uniform(1, 3)) / source.uniform(6, 16))
        discs.append(light * source.uniform(0.3, 0.9, (3, 1, 1)) + source.normal(0.02, 0.01, (3, 96, 96)))
    return torch.from_numpy(np.stack(discs).clip(0, 1).astype(np.float32))


def test_the_first_numbers_are_the_embedding_by_the_network(encoder: ShippedEncoder) -> None:
    batch = images(3)
    rows = encoder.embed(batch)
    assert rows.shape == (3, encoder.dimension)
    assert torch.equal(rows[:, :NETWORK], load_encoder(SHIPPED_CHECKPOINT).embed(batch))


def test_a_turned_image_has_the_same_embedding(encoder: ShippedEncoder) -> None:
    batch = images(2)
    assert torch.allclose(encoder.embed(torch.rot90(batch, 1, (2, 3))), encoder.embed(batch), atol=0.02)


def test_an_embedding_does_not_depend_on_the_batch(encoder: ShippedEncoder) -> None:
    batch = images(4)
    assert torch.allclose(encoder.embed(batch)[2], encoder.embed(batch[2:3])[0], atol=1e-3)


def test_all_numbers_have_a_similar_scale(encoder: ShippedEncoder) -> None:
    deviations = encoder.embed(images(24)).std(dim=0)
    ratio = float(deviations[NETWORK:].median() / deviations[:NETWORK].median())
    assert 0.1 < ratio < 10


@pytest.mark.parametrize("content", [b"", b"no safetensors"])
def test_damaged_axes_are_named(content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "axes.safetensors"
    path.write_bytes(content)
    monkeypatch.setattr(shipped_encoder, "SHIPPED_AXES", path)
    with pytest.raises(CheckpointError, match=r"the axes .*axes\.safetensors cannot be read"):
        load_shipped_encoder(load_encoder)

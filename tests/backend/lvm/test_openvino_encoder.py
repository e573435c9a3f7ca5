"""The encoder computed by OpenVINO (extra `fast`): as PyTorch's within bfloat16, and never mixed with it in a cache."""

from __future__ import annotations

import logging
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import cosine_similarity

from backend.images.store import StoredImage
from backend.lvm.backbones.swin import SwinConfig
from backend.lvm.checkpoint import SHIPPED_CHECKPOINT, load_encoder, save_model
from backend.lvm.embeddings import Embeddings
from backend.lvm.encoder import Encoder
from backend.lvm.feature_maps import Pyramids
from backend.lvm.openvino_encoder import OpenVinoEncoder, load_fastest_encoder
from sync.files.cache import MemoryCache

openvino = pytest.importorskip("openvino", reason="no OpenVINO: install galaxyloop[fast]")
if "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
    pytest.skip("this processor has no bfloat16 instructions, so OpenVINO is not used", allow_module_level=True)

pytestmark = pytest.mark.slow
LEAST_COSINE, LEAST_MAP_COSINE = 0.998, 0.995


@pytest.fixture(scope="module")
def reference() -> Encoder:
    return load_encoder(SHIPPED_CHECKPOINT)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load_fastest_encoder(SHIPPED_CHECKPOINT)


def galaxies(count: int, width: int, height: int) -> torch.Tensor:
    rng = np.random.default_rng(1)
    rows, columns = np.indices((height, width))
    images = []
    for _ in range(count):
        x, y, radius = rng.uniform(0.3, 0.7) * width, rng.uniform(0.3, 0.7) * height, rng.uniform(3, 15)
        light = np.exp(-np.hypot(columns - x, rows - y) / radius) * rng.uniform(0.3, 1, (3, 1, 1))
        images.append(light + rng.normal(0.03, 0.01, light.shape))
    return torch.from_numpy(np.stack(images).clip(0, 1).astype(np.float32))


def test_openvino_is_used_where_it_is_installed(encoder: Encoder) -> None:
    assert isinstance(encoder, OpenVinoEncoder)
    assert encoder.numerics
    assert load_fastest_encoder(SHIPPED_CHECKPOINT) is encoder


@pytest.mark.parametrize("count", [1, 5, 8, 19])
def test_embeddings_equal_those_of_pytorch(encoder: Encoder, reference: Encoder, count: int) -> None:
    images = galaxies(count, encoder.image_px, encoder.image_px)
    embeddings = encoder.embed(images)
    assert embeddings.shape == (count, encoder.dimension)
    assert embeddings.dtype == torch.float32
    assert cosine_similarity(embeddings, reference.embed(images)).min() > LEAST_COSINE
    assert cosine_similarity(encoder.embed(images, turns=1), reference.embed(images, turns=1)).min() > LEAST_COSINE


@pytest.mark.parametrize("side", [96, 61])
def test_a_view_has_the_embedding_and_the_feature_maps_of_pytorch(encoder: Encoder, reference: Encoder, side: int) -> None:
    images = galaxies(3, side, side)
    vectors, levels = encoder.embed_view(images)
    expected_vectors, expected_levels = reference.embed_view(images)
    assert cosine_similarity(vectors, expected_vectors).min() > LEAST_COSINE
    for level, expected in zip(levels, expected_levels, strict=True):
        assert cosine_similarity(level.flatten(), expected.flatten(), dim=0) > LEAST_MAP_COSINE


def test_no_images_have_no_embeddings(encoder: Encoder) -> None:
    assert encoder.embed(torch.empty(0, 3, encoder.image_px, encoder.image_px)).shape == (0, encoder.dimension)


def test_an_embedding_does_not_depend_on_the_batch(encoder: Encoder) -> None:
    images = galaxies(9, encoder.image_px, encoder.image_px)
    together, single = encoder.embed(images)[3], encoder.embed(images[3:4])[0]
    assert cosine_similarity(together, single, dim=0) > 1 - 1e-6


@pytest.mark.parametrize(("width", "height"), [(256, 256), (96, 96), (61, 37), (300, 130), (1, 1)])
def test_feature_maps_of_any_size_equal_those_of_pytorch(encoder: Encoder, reference: Encoder, width: int, height: int) -> None:
    images = galaxies(2, width, height)
    for level, expected in zip(encoder.pyramid(images), reference.pyramid(images), strict=True):
        assert level.shape == expected.shape
        assert cosine_similarity(level.flatten(), expected.flatten(), dim=0) > LEAST_MAP_COSINE


def test_threads_get_the_features_of_their_own_image(encoder: Encoder) -> None:
    images = galaxies(12, 64, 64)[:, None]
    alone = [encoder.pyramid(image)[-1] for image in images]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda image: encoder.pyramid(image)[-1], images))
    assert all(torch.equal(*pair) for pair in zip(alone, together, strict=True))


def test_a_cache_never_mixes_both(encoder: Encoder, reference: Encoder) -> None:
    cache = MemoryCache(max_bytes=10**8)
    pixels = galaxies(1, 96, 96)[0].permute(1, 2, 0).numpy()
    image = StoredImage("key", lambda: b"", 10**6)
    image.__dict__["pixels"] = pixels
    for first, second in ((encoder, reference), (reference, encoder)):
        Embeddings(first, cache, fingerprint="weights").of([image])
        vectors = [Embeddings(each, cache, fingerprint="weights").read_cached("key", "") for each in (first, second)]
        assert vectors[0] is not None
        if first is encoder:
            assert vectors[1] is None
    assert vectors[1] is not None
    assert vectors[0] is not None
    assert not np.array_equal(vectors[0], vectors[1])
    maps = [Pyramids(each, cache, fingerprint="weights").of(image, size=(96, 96)) for each in (reference, encoder)]
    levels = [pyramid.levels(pyramid.tiles[0]) for pyramid in (*maps, *maps)]
    assert torch.equal(levels[0][0], levels[2][0])
    assert not torch.equal(levels[0][0], levels[1][0])


def test_an_encoder_without_finite_features_stays_in_pytorch(
    tmp_path: Path, reference: Encoder, caplog: pytest.LogCaptureFixture
) -> None:
    broken = Encoder(reference.config)
    with torch.no_grad():
        for weights in broken.parameters():
            weights.fill_(float("nan"))
    save_model(broken, None, tmp_path / "broken.safetensors", training={})
    with caplog.at_level(logging.WARNING):
        assert not load_fastest_encoder(tmp_path / "broken.safetensors").numerics
    (record,) = caplog.records
    assert "openvino_not_used" in record.getMessage()


def test_a_swin_stays_in_pytorch(tmp_path: Path) -> None:
    config = SwinConfig(image_px=64, width=24, depths=(1, 1, 1, 1))
    save_model(Encoder(config), None, tmp_path / "swin.safetensors", training={})
    assert not load_fastest_encoder(tmp_path / "swin.safetensors").numerics


def test_without_openvino_pytorch_computes() -> None:
    script = (
        "import sys; sys.modules['openvino'] = None\n"
        "from backend.lvm.checkpoint import SHIPPED_CHECKPOINT\n"
        "from backend.lvm.openvino_encoder import load_fastest_encoder\n"
        "assert type(load_fastest_encoder(SHIPPED_CHECKPOINT)).__name__ == 'Encoder'"
    )
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=600, check=False)
    assert (process.returncode, process.stderr) == (0, "")

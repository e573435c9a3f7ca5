"""Official SAM checkpoints: read, recognised, used and fine-tuned like the shipped segmenter.

The official files are not available to the tests: these have their format, names and shapes, with random weights.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from segment_anything import SamPredictor, sam_model_registry

from backend.heads.segmentation.decoding import WindowPrompts, decode
from backend.heads.segmentation.prompt import Prompt
from backend.heads.segmentation.prompted_masks import PromptedMasks
from backend.heads.segmentation.sam_window_encoder import SamWindows, _kind, load_sam
from backend.heads.segmentation.shipped import open_segmenter
from backend.heads.segmentation.window_features import CachedWindowEncoder
from backend.heads.segmentation.windows import nearest_window
from backend.heads.training import Schedule
from backend.lvm.checkpoint import CheckpointError, load_encoder
from sync.files.cache import FileCache
from sync.geometry.shapes import Box, Point

pytestmark = pytest.mark.slow

LAYERS = 3
"""Number of encoder layers instead of twelve; the third has global attention, the others window attention."""


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("sam") / "sam_vit_b_01ec64.pth"
    torch.save(sam_model_registry["vit_b"]().state_dict(), path)
    yield path
    path.unlink()


@pytest.fixture(scope="module")
def sam(checkpoint: Path) -> tuple[SamWindows, PromptedMasks]:
    """Return a loaded SAM with few of the encoder's layers, since the tests cover everything else."""
    windows, head = load_sam(checkpoint)
    windows._encoder.blocks = windows._encoder.blocks[:LAYERS]  # type: ignore[index]  # torch gives attributes of modules no type
    return windows, head


@pytest.fixture(scope="module")
def window_encoder(sam: tuple[SamWindows, PromptedMasks], tmp_path_factory: pytest.TempPathFactory) -> CachedWindowEncoder:
    return CachedWindowEncoder(sam[0], FileCache(tmp_path_factory.mktemp("maps"), max_bytes=2**28))


@pytest.mark.parametrize("kind", ["vit_b", "vit_l", "vit_h"])
def test_the_type_is_read_from_the_shapes(kind: str, tmp_path: Path) -> None:
    with torch.device("meta"):
        weights = sam_model_registry[kind]().state_dict()
    assert _kind(weights, tmp_path) == kind


def test_encoding_and_decoding_equal_those_of_sams_predictor(checkpoint: Path, sam: tuple[SamWindows, PromptedMasks]) -> None:
    windows, head = sam
    side = windows.shown_px  # SAM does not scale an image of this size
    image = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    predictor = SamPredictor(sam_model_registry["vit_b"](checkpoint=str(checkpoint)))
    predictor.model.image_encoder.blocks = predictor.model.image_encoder.blocks[:LAYERS]
    predictor.set_image(image)
    window = nearest_window(side, (0, 0), (side, side), shown_px=side)
    encoding = windows.encode(image.astype(np.float32) / np.float32(255), window)
    assert torch.allclose(encoding[0], predictor.features, atol=1e-3)
    point = np.array([[700.0, 300.0]])
    _, quality, logits = predictor.predict(point, np.array([1]), multimask_output=True)
    prompts = WindowPrompts(torch.from_numpy(point[None] + 0.5).float(), torch.ones(1, 1))
    with torch.no_grad():
        masks = decode(head.network, head.network.embed(encoding), prompts)
    assert np.allclose(masks.logits[0, 1:].numpy(), logits, atol=1e-2)
    assert np.allclose(masks.quality[0, 1:].numpy(), quality, atol=1e-2)


def test_features_are_cached_and_clicks_and_boxes_are_answered(
    sam: tuple[SamWindows, PromptedMasks], window_encoder: CachedWindowEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    windows, head = sam
    rows, columns = np.indices((64, 64)) - 31.5
    galaxy = np.exp(-(rows**2 + columns**2) / 128)[..., None] + np.random.default_rng(1).normal(0, 0.01, (64, 64, 3))
    windowed_image = window_encoder.of_pixels(galaxy.clip(0, 1).astype(np.float32))
    monkeypatch.setattr(windowed_image, "key", "some image")
    prompts = {"points": [(Point(32, 32), True), (Point(5, 5), False)], "boxes": [Box(10, 10, 40, 40)]}
    first = head.predict(windowed_image, Prompt.of(windowed_image.size, **prompts))  # type: ignore[arg-type]
    monkeypatch.setattr(windows, "encode", None)  # the features are cached: the encoder does not run again
    second = head.predict(windowed_image, Prompt.of(windowed_image.size, **prompts))  # type: ignore[arg-type]
    assert first is not None
    assert second is not None
    assert (first[0] == second[0]).all()


def test_a_fine_tuned_decoder_can_be_saved_and_loaded(
    sam: tuple[SamWindows, PromptedMasks], window_encoder: CachedWindowEncoder, tmp_path: Path
) -> None:
    head = sam[1]
    windowed_image = window_encoder.of_pixels(np.random.default_rng(1).random((64, 64, 3), np.float32))
    windowed_image.key = "some image"
    mask = np.zeros((64, 64), bool)
    mask[10:40, 10:40] = True
    trained_head = head.fit([windowed_image], [[mask, ~mask, mask]], schedule=Schedule(steps=1, rate=1e-4, batch=1))
    trained_head.save(tmp_path)
    loaded_head = PromptedMasks.load(tmp_path)
    assert (loaded_head.encoder, loaded_head.network.config) == (head.encoder, head.network.config)
    changed_names = [
        not torch.equal(a, b)
        for a, b in zip(trained_head.network.state_dict().values(), head.network.state_dict().values(), strict=True)
    ]
    assert any(changed_names)


def test_a_sam_checkpoint_replaces_the_shipped_segmenter(checkpoint: Path) -> None:
    encoder = load_encoder(Path("backend/lvm/weights/encoder.safetensors"))
    segmenter = open_segmenter(encoder, fingerprint="some", sam_checkpoint=checkpoint)
    assert isinstance(segmenter.windows, SamWindows)
    assert segmenter.base.encoder == segmenter.windows.fingerprint


def test_a_pickle_with_code_is_an_error_and_is_not_run(tmp_path: Path) -> None:
    class Harm:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (exec, (f"open({str(tmp_path / 'ran')!r}, 'w')",))

    path = tmp_path / "sam.pth"
    path.write_bytes(pickle.dumps({"image_encoder.pos_embed": Harm()}))
    with pytest.raises(CheckpointError, match="cannot be read as weights"):
        load_sam(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [{"other": torch.zeros(3)}, {"image_encoder.pos_embed": torch.zeros(1, 64, 64, 768)}, [1]])
def test_weights_of_another_model_are_an_error_in_one_sentence(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match="does not hold the weights of SAM's"):
        load_sam(tmp_path / "other.pth")


def test_weights_of_another_shape_are_an_error_in_one_sentence(tmp_path: Path) -> None:
    weights = {f"image_encoder.blocks.{index}.x": torch.zeros(1) for index in range(12)}
    torch.save(weights | {"image_encoder.pos_embed": torch.zeros(1, 64, 64, 768)}, tmp_path / "half.pth")
    with pytest.raises(CheckpointError, match="do not fit SAM's vit_b"):
        load_sam(tmp_path / "half.pth")


@pytest.mark.parametrize("content", [b"", b"hello world\n" * 50, b'{"a": 1}', b"PK\x03\x04" + bytes(100)])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_file_without_weights_is_an_error_in_one_sentence(content: bytes, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"sam{suffix}"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="cannot be read as weights"):
        load_sam(path)


def test_a_missing_checkpoint_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="No such file"):
        load_sam(tmp_path / "nowhere.pth")

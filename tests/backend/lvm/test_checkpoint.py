"""Checkpoints: an encoder is read back unchanged; other files are rejected with one sentence and never executed."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from backend.lvm.backbones.efficientnet import EfficientNetConfig
from backend.lvm.backbones.swin import SwinConfig
from backend.lvm.checkpoint import SHIPPED_CHECKPOINT, CheckpointError, fingerprint, load_encoder, load_model, save_model
from backend.lvm.decoder import Decoder
from backend.lvm.encoder import Encoder

SMALL = SwinConfig(image_px=32, patch_px=4, window=4, width=12, depths=(1, 1), heads=(1, 2))
FIELDS = {"family": "swin", "image_px": 32, "patch_px": 4, "window": 4, "width": 12, "depths": [1, 1], "heads": [1, 2]}


@pytest.fixture
def encoder() -> Encoder:
    torch.manual_seed(0)
    return Encoder(SMALL).eval()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "weights" / "encoder.safetensors"


@pytest.fixture
def checkpoint(encoder: Encoder, path: Path) -> Path:
    save_model(encoder, Decoder(SMALL), path, training={"steps": 3, "hardware": "two cores"})
    return path


def test_a_saved_encoder_is_read_in_half_precision(encoder: Encoder, checkpoint: Path) -> None:
    loaded_encoder = load_encoder(checkpoint)
    image = torch.rand(2, 3, 32, 32)
    assert loaded_encoder.config == SMALL
    assert torch.allclose(loaded_encoder.embed(image), encoder.embed(image), atol=0.01)


def test_a_saved_efficientnet_is_read_unchanged(tmp_path: Path) -> None:
    torch.manual_seed(0)
    encoder = Encoder(EfficientNetConfig(image_px=32)).eval()
    save_model(encoder, None, tmp_path / "e.safetensors", training={})
    loaded_encoder, image = load_encoder(tmp_path / "e.safetensors"), torch.rand(2, 3, 32, 32)
    assert loaded_encoder.config == encoder.config
    assert torch.allclose(loaded_encoder.embed(image), encoder.embed(image), rtol=0.02, atol=0.02)


def test_the_decoder_is_in_the_same_file(checkpoint: Path) -> None:
    encoder, decoder = load_model(checkpoint)
    assert decoder(encoder.pyramid(torch.rand(1, 3, 32, 32))).shape == (1, 3, 32, 32)


def test_an_encoder_alone_has_no_decoder(encoder: Encoder, path: Path) -> None:
    save_model(encoder, None, path, training={})
    with pytest.raises(CheckpointError, match="an encoder without a decoder"):
        load_model(path)


def test_a_loaded_encoder_is_frozen(checkpoint: Path) -> None:
    loaded_encoder = load_encoder(checkpoint)
    assert not loaded_encoder.training
    assert not any(weight.requires_grad for weight in loaded_encoder.parameters())


def test_reading_and_writing_changes_no_weight(checkpoint: Path, tmp_path: Path) -> None:
    save_model(*load_model(checkpoint), tmp_path / "again.safetensors", training={})
    first, second = load_model(checkpoint)[0].state_dict(), load_model(tmp_path / "again.safetensors")[0].state_dict()
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_checkpoint_states_its_training(checkpoint: Path) -> None:
    with safe_open(checkpoint, framework="pt") as file:
        assert json.loads(file.metadata()["training"]) == {"steps": 3, "hardware": "two cores"}


def test_writing_leaves_only_the_checkpoint(checkpoint: Path) -> None:
    assert list(checkpoint.parent.iterdir()) == [checkpoint]


def test_a_fingerprint_changes_with_one_weight(encoder: Encoder, checkpoint: Path, tmp_path: Path) -> None:
    with torch.no_grad():
        next(encoder.parameters()).view(-1)[0] += 1
    save_model(encoder, None, tmp_path / "other.safetensors", training={"steps": 3, "hardware": "two cores"})
    assert fingerprint(tmp_path / "other.safetensors") != fingerprint(checkpoint)


def test_the_shipped_checkpoint_can_be_read() -> None:
    encoder = load_encoder(SHIPPED_CHECKPOINT)
    side = encoder.config.image_px
    assert encoder.embed(torch.rand(1, 3, side, side)).shape == (1, encoder.config.dimension)


# -- other files --


class Trap:
    """A class that creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self._path,)


@pytest.mark.parametrize("write", [pickle.dump, torch.save], ids=["pickle", "torch"])
def test_a_pickle_is_an_error_and_is_not_opened(tmp_path: Path, write: Any) -> None:
    trap, path = tmp_path / "sprung", tmp_path / "encoder.safetensors"
    with path.open("wb") as file:
        write(Trap(trap), file)
    with pytest.raises(CheckpointError, match="cannot be read as safetensors"):
        load_encoder(path)
    assert not trap.exists()


def test_the_error_names_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"nowhere\.safetensors"):
        load_encoder(tmp_path / "nowhere.safetensors")


@pytest.mark.parametrize("length", [0, 7, 100, 5000])
def test_a_truncated_file_is_an_error(checkpoint: Path, length: int) -> None:
    checkpoint.write_bytes(checkpoint.read_bytes()[:length])
    with pytest.raises(CheckpointError, match="cannot be read as safetensors"):
        load_encoder(checkpoint)


def test_safetensors_of_another_format_are_an_error(path: Path) -> None:
    path.parent.mkdir()
    save_file({"weight": torch.zeros(3)}, path)
    with pytest.raises(CheckpointError, match="has the format None, not 'galaxyloop-model-1'"):
        load_encoder(path)


@pytest.mark.parametrize(
    "config",
    [
        FIELDS | {"width": 24, "heads": [2, 4]},
        FIELDS | {"depths": [1, 1, 1], "heads": [1, 2, 4]},
        FIELDS | {"depths": "deep"},
        FIELDS | {"layers": 12},
        FIELDS | {"family": "vgg"},
        FIELDS | {"family": ["swin"]},
        {"family": "efficientnet_lite0"},
        FIELDS | {"width": 13, "heads": [5, 5]},
        FIELDS | {"patch_px": 0},
        {},
        [],
        None,
    ],
    ids=[
        "wider",
        "deeper",
        "words",
        "unknown field",
        "unknown family",
        "no family name",
        "other family",
        "indivisible",
        "no patch",
        "empty",
        "list",
        "null",
    ],
)
def test_weights_that_do_not_fit_their_network_are_an_error(encoder: Encoder, path: Path, config: Any) -> None:
    path.parent.mkdir()
    metadata = {"format": "galaxyloop-model-1", "config": json.dumps(config), "training": "{}"}
    save_file({name: weight.half() for name, weight in encoder.state_dict().items()}, path, metadata)
    with pytest.raises(CheckpointError, match="do not fit the network it names"):
        load_encoder(path)

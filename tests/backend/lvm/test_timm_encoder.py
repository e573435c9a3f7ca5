"""Encoders of timm: any family is loaded from a folder; a bad folder is rejected in one sentence."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from backend.lvm.checkpoint import CheckpointError
from backend.lvm.timm_encoder import load_timm_encoder
from tests.small_encoders import save_encoder

FAMILIES: dict[str, tuple[dict[str, Any], int, int]] = {
    "convnext": ({}, 64, 32),
    "dinov2": ({"name": "vit_small_patch14_dinov2", "img_size": 56, "embed_dim": 32, "depth": 2, "num_heads": 2}, 56, 32),
    "swin": (
        {
            "name": "swin_tiny_patch4_window7_224",
            "img_size": 64,
            "window_size": 4,
            "embed_dim": 16,
            "depths": (1, 1, 1, 1),
            "num_heads": (1, 2, 4, 4),
        },
        64,
        128,
    ),
    "efficientnet": ({"name": "test_efficientnet"}, 160, 256),
    "maxvit": (
        {"name": "maxvit_rmlp_pico_rw_256", "img_size": 64, "depths": (1, 1, 1, 1), "embed_dim": (32, 32, 64, 64)},
        64,
        64,
    ),
}
"""Arguments of each family, side of its images in pixels, and length of its embeddings."""


@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_embeds_as_timm_does(family: str, tmp_path: Path) -> None:
    arguments, side, dimension = FAMILIES[family]
    save_encoder(tmp_path, **arguments)
    encoder = load_timm_encoder(tmp_path)
    assert (encoder.image_px, encoder.dimension, encoder.channels) == (side, dimension, 3)
    images = torch.rand(2, 3, side, side)
    network = timm.create_model(f"local-dir:{tmp_path}", pretrained=True, num_classes=0).eval()
    config: Any = network.pretrained_cfg
    mean, deviation = (torch.tensor(config[name]).view(1, 3, 1, 1) for name in ("mean", "std"))
    with torch.inference_mode():
        expected = network((images - mean) / deviation)
    assert encoder.embed(images) == pytest.approx(expected, abs=1e-4)
    assert not torch.allclose(expected[0], expected[1])


def test_an_encoder_of_one_channel_gets_the_mean_brightness(tmp_path: Path) -> None:
    save_encoder(tmp_path, in_chans=1)
    encoder = load_timm_encoder(tmp_path)
    images = torch.rand(2, 3, 64, 64)
    grey = images.mean(dim=1, keepdim=True).expand(-1, 3, -1, -1)
    assert encoder.channels == 1
    assert encoder.embed(images) == pytest.approx(encoder.embed(grey), abs=1e-5)


def test_mean_and_deviation_are_those_of_the_configuration(tmp_path: Path) -> None:
    save_encoder(tmp_path)
    images = torch.rand(1, 3, 64, 64)
    before = load_timm_encoder(tmp_path).embed(images)
    _change_config(tmp_path, mean=[0.1, 0.1, 0.1])
    assert not torch.allclose(load_timm_encoder(tmp_path).embed(images), before)


def test_weights_of_pytorch_are_read_without_running_code(tmp_path: Path) -> None:
    save_encoder(tmp_path / "safe")
    save_encoder(tmp_path / "pytorch", safe=False)
    images = torch.rand(1, 3, 64, 64)
    embeddings = [load_timm_encoder(tmp_path / name).embed(images) for name in ("safe", "pytorch")]
    assert embeddings[0] == pytest.approx(embeddings[1])


class _Code:
    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path("/nonexistent/run").touch, ()


def _pickle(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(_Code(), protocol=2))


def _change_config(folder: Path, **fields: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["pretrained_cfg"] |= fields
    (folder / "config.json").write_text(json.dumps(config))


def _change_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors")


def _other_architecture(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"architecture": "test_vit", "model_args": {}}))


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a pickle": (_pickle, "is a pickle of more than weights, which could run code"),
    "no configuration": (lambda folder: (folder / "config.json").unlink(), "there is no file config.json"),
    "a configuration that is no JSON": (lambda folder: (folder / "config.json").write_text("{"), "config.json cannot be read"),
    "a configuration without a network": (
        lambda folder: (folder / "config.json").write_text("[]"),
        "its config.json does not name a network of timm under architecture",
    ),
    "images that fill the memory": (
        lambda folder: _change_config(folder, input_size=[3, 100_000, 100_000]),
        "it expects images of 100000 x 100000 pixels, and at most 2048 are allowed",
    ),
    "no weights": (
        lambda folder: (folder / "model.safetensors").unlink(),
        "no weights: model.safetensors is missing",
    ),
    "damaged weights": (lambda folder: (folder / "model.safetensors").write_bytes(b"0" * 99), "cannot be read as safetensors"),
    "NaN": (
        lambda folder: _change_weights(folder, lambda weights: weights["stem.0.bias"].fill_(torch.nan)),
        "its weights 'stem.0.bias' have values that are not finite",
    ),
    "a missing tensor": (
        lambda folder: _change_weights(folder, lambda weights: weights.pop("stem.0.bias")),
        "lack 1 tensors of the network, such as 'stem.0.bias'",
    ),
    "another network": (_other_architecture, "lack"),
    "another shape": (
        lambda folder: _change_weights(folder, lambda weights: weights.update({"stem.0.bias": torch.zeros(9)})),
        "its weights 'stem.0.bias' have the shape [9], and its network needs [",
    ),
    "images that are not square": (lambda folder: _change_config(folder, input_size=[3, 64, 96]), "96 x 64 pixels"),
    "five channels": (
        lambda folder: save_encoder(folder, in_chans=5),
        "images of 5 channels and 64 x 64 pixels: galaxyloop needs",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_bad_encoder_is_named_in_one_sentence(damage: str, tmp_path: Path) -> None:
    save_encoder(tmp_path)
    harm, reason = DAMAGES[damage]
    harm(tmp_path)
    with pytest.raises(CheckpointError) as error:
        load_timm_encoder(tmp_path)
    message = str(error.value)
    assert message.startswith(f"the encoder in {tmp_path} cannot be used: ")
    assert reason in message
    assert "\n" not in message
    assert len(message) < 400 + 2 * len(str(tmp_path))

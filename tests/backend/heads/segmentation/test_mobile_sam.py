"""Checkpoints of MobileSAM: recognised and read like SAM's.

The official file is not available to the tests: this one has its format, names and shapes, with random weights.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from segment_anything import sam_model_registry
from torch import Tensor

from backend.heads.segmentation.mobile_sam import MobileEncoder
from backend.heads.segmentation.sam_window_encoder import load_sam
from backend.lvm.checkpoint import CheckpointError

OFFICIAL = {
    "image_encoder.patch_embed.seq.0.c.weight": (32, 3, 3, 3),
    "image_encoder.patch_embed.seq.2.bn.running_var": (64,),
    "image_encoder.layers.0.blocks.1.conv2.c.weight": (256, 1, 3, 3),
    "image_encoder.layers.0.downsample.conv1.c.weight": (128, 64, 1, 1),
    "image_encoder.layers.1.blocks.0.attn.attention_biases": (4, 49),
    "image_encoder.layers.2.blocks.5.local_conv.c.weight": (160, 1, 3, 3),
    "image_encoder.layers.2.downsample.conv2.c.weight": (320, 1, 3, 3),
    "image_encoder.layers.3.blocks.1.mlp.fc2.weight": (320, 1280),
    "image_encoder.norm_head.weight": (320,),
    "image_encoder.head.weight": (1000, 320),
    "image_encoder.neck.0.weight": (256, 320, 1, 1),
    "image_encoder.neck.3.bias": (256,),
}
"""Names and shapes of some weights of mobile_sam.pt."""


def official_name(name: str) -> str:
    """Return MobileSAM's name of a weight of timm's TinyViT."""
    name = re.sub(r"^patch_embed\.conv(\d)", lambda match: f"patch_embed.seq.{2 * int(match[1]) - 2}", name)
    name = re.sub(r"^stages\.(\d)\.downsample", lambda match: f"layers.{int(match[1]) - 1}.downsample", name)
    name = re.sub(r"^stages\.", "layers.", name)
    return name.replace(".conv.weight", ".c.weight")


@pytest.fixture(scope="module")
def encoder() -> MobileEncoder:
    torch.manual_seed(0)
    encoder = MobileEncoder()
    for tensor in encoder.state_dict().values():
        if tensor.is_floating_point():
            tensor.uniform_(0.01, 0.2)
    return encoder.eval()


@pytest.fixture(scope="module")
def weights(encoder: MobileEncoder) -> dict[str, Tensor]:
    own_weights = {f"image_encoder.{official_name(name)}": tensor for name, tensor in encoder.state_dict().items()}
    classifier = {"norm_head.weight": (320,), "norm_head.bias": (320,), "head.weight": (1000, 320), "head.bias": (1000,)}
    own_weights |= {f"image_encoder.{name}": torch.zeros(shape) for name, shape in classifier.items()}
    own_weights["image_encoder.layers.1.blocks.0.attn.attention_bias_idxs"] = torch.zeros(49, 49, dtype=torch.long)
    decoder = sam_model_registry["vit_b"]().state_dict()
    return own_weights | {name: tensor for name, tensor in decoder.items() if not name.startswith("image_encoder.")}


@pytest.mark.slow
def test_the_checkpoint_of_the_test_has_the_official_names(weights: dict[str, Tensor]) -> None:
    assert {name: tuple(weights[name].shape) for name in OFFICIAL} == OFFICIAL


def test_it_is_recognised_and_encodes_with_its_weights(
    weights: dict[str, Tensor], encoder: MobileEncoder, tmp_path: Path
) -> None:
    torch.save(weights, tmp_path / "mobile_sam.pt")
    windows, head = load_sam(tmp_path / "mobile_sam.pt")
    assert windows.kind == "vit_t"
    assert head.encoder == windows.fingerprint
    image = torch.rand(1, 3, 128, 128)
    with torch.no_grad():
        embedding = windows._encoder(image)
        assert torch.equal(embedding, encoder(image))
    assert embedding.shape == (1, 256, 8, 8)  # one cell for 16 pixels, as SAM has
    decoder_weights = head.network.mask_decoder.state_dict()
    assert all(torch.equal(decoder_weights[name], weights[f"mask_decoder.{name}"]) for name in decoder_weights)


def test_weights_that_do_not_fit_are_an_error(weights: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save({name: tensor for name, tensor in weights.items() if "layers.3" not in name}, tmp_path / "half.pt")
    with pytest.raises(CheckpointError, match="do not fit SAM's vit_t"):
        load_sam(tmp_path / "half.pt")

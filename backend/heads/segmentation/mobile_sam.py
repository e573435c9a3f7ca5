"""The image encoder of MobileSAM: TinyViT of timm with SAM's neck; the names of its weights in a checkpoint are translated.

Reference: Zhang et al. (2023), arXiv:2306.14289.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from segment_anything.modeling.common import LayerNorm2d
from timm.models.tiny_vit import TinyVit
from torch import Tensor, nn

__all__ = ["MobileEncoder", "is_mobile_sam", "mobile_weights"]

WIDTHS, DEPTHS, HEADS, WINDOWS = (64, 128, 160, 320), (2, 2, 6, 2), (2, 4, 5, 10), (7, 7, 14, 7)
NECK = 256
PREFIX = "image_encoder."
UNUSED = ("norm_head.", "head.")
"""Weights of the classifier that MobileSAM's encoder was distilled from."""
TABLES = "attention_bias_idxs"
"""Tables of places, which some releases stored with the weights."""


class MobileEncoder(nn.Module):
    """Maps images, shape (n, 3, 1024, 1024), to embeddings, shape (n, 256, 64, 64)."""

    def __init__(self) -> None:
        super().__init__()
        vit = TinyVit(
            embed_dims=WIDTHS, depths=DEPTHS, num_heads=HEADS, window_sizes=WINDOWS, num_classes=0, drop_path_rate=0.0
        )
        last = vit.stages[-1].get_submodule("downsample.conv2.conv")
        assert isinstance(last, nn.Conv2d)
        last.stride = (1, 1)  # MobileSAM keeps the resolution there, so that the embedding has SAM's 64 x 64 places
        self.patch_embed, self.stages = vit.patch_embed, vit.stages
        self.neck = nn.Sequential(
            nn.Conv2d(WIDTHS[-1], NECK, kernel_size=1, bias=False),
            LayerNorm2d(NECK),
            nn.Conv2d(NECK, NECK, kernel_size=3, padding=1, bias=False),
            LayerNorm2d(NECK),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Encode images."""
        embedding: Tensor = self.neck(self.stages(self.patch_embed(images)))
        return embedding


def is_mobile_sam(weights: Mapping[str, Tensor]) -> bool:
    """Return whether a checkpoint of SAM has the image encoder of MobileSAM."""
    neck = weights.get(f"{PREFIX}neck.0.weight")
    return f"{PREFIX}patch_embed.seq.0.c.weight" in weights and neck is not None and neck.shape[1] == WIDTHS[-1]


def mobile_weights(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of a `MobileEncoder` from a checkpoint of MobileSAM."""
    own_weights = {name.removeprefix(PREFIX): tensor for name, tensor in weights.items() if name.startswith(PREFIX)}
    return {
        _translate(name): tensor
        for name, tensor in own_weights.items()
        if not name.startswith(UNUSED) and not name.endswith(TABLES)
    }


def _translate(name: str) -> str:
    """Return timm's name of a weight of MobileSAM."""
    name = name.replace("patch_embed.seq.0.", "patch_embed.conv1.").replace("patch_embed.seq.2.", "patch_embed.conv2.")
    # MobileSAM reduces the resolution at the end of a stage, and timm at the beginning of the next one.
    name = re.sub(r"^layers\.(\d+)\.downsample\.", lambda match: f"stages.{int(match[1]) + 1}.downsample.", name)
    return re.sub(r"^layers\.", "stages.", name).replace(".c.weight", ".conv.weight")

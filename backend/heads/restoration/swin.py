"""A Swin U-Net in the form of SUNet (Fan, Liu & Liu 2022, arXiv:2202.14009), as Akhaury+2024 and Fu+2024 use it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
from timm.models.swin_transformer import SwinTransformerStage
from torch import Tensor, nn
from torch.nn import functional

from backend.lvm.decoder import DualUpsample

__all__ = ["SwinUNet", "SwinUNetConfig"]

HEAD_CHANNELS = 16
INPUT_PX = 64
"""Side for which timm computes the masks of shifted windows; other sizes compute their own."""


@dataclass(frozen=True, slots=True)
class SwinUNetConfig:
    """Shape of the network.

    Attributes
    ----------
    widths : tuple of int
        Channels at each size, multiples of 16: 1/2 of the image, 1/4, ...
    blocks : int
        Swin blocks at each size, on the way down and on the way up.
    window : int
        Side of the attention windows, in cells.
    """

    form: ClassVar[str] = "swin"
    widths: tuple[int, ...] = (48, 96, 144)
    blocks: int = 2
    window: int = 8


class SwinUNet(nn.Module):
    """SUNet: a 3x3 convolution, Swin stages down and up, dual upsampling and skip connections.

    Parameters
    ----------
    config : SwinUNetConfig
    channels_in, channels_out : int
    """

    def __init__(self, config: SwinUNetConfig, channels_in: int, channels_out: int) -> None:
        super().__init__()
        widths = config.widths
        self.enter = nn.Conv2d(4 * channels_in, widths[0], 3, padding=1)
        self.down = nn.ModuleList(_stage(width, level, config) for level, width in enumerate(widths))
        self.merge = nn.ModuleList(nn.Conv2d(fine, coarse, 2, stride=2) for fine, coarse in pairwise(widths))
        self.grow = nn.ModuleList(DualUpsample(coarse, fine) for fine, coarse in pairwise(widths))
        self.join = nn.ModuleList(nn.Conv2d(2 * width, width, 1) for width in widths[:-1])
        self.up = nn.ModuleList(_stage(width, level, config) for level, width in enumerate(widths[:-1]))
        self.leave = nn.Conv2d(widths[0], 4 * channels_out, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (n, channels_in, h, w) to (n, channels_out, h, w); the sides are multiples of 2 to the number of widths."""
        features = _apply(self.down[0], self.enter(functional.pixel_unshuffle(inputs, 2)))
        levels = [features]
        for merge, stage in zip(self.merge, self.down[1:], strict=True):
            features = _apply(stage, merge(features))
            levels.append(features)
        for level in range(len(levels) - 2, -1, -1):
            features_of_level = self.join[level](torch.cat([levels[level], self.grow[level](features)], dim=1))
            features = _apply(self.up[level], features_of_level)
        outputs: Tensor = functional.pixel_shuffle(self.leave(features), 2)
        return outputs


def _stage(width: int, level: int, config: SwinUNetConfig) -> nn.Module:
    stage: nn.Module = SwinTransformerStage(
        dim=width,
        out_dim=width,
        input_resolution=(INPUT_PX >> (level + 1),) * 2,
        depth=config.blocks,
        downsample=False,
        num_heads=width // HEAD_CHANNELS,
        head_dim=HEAD_CHANNELS,
        window_size=config.window,
        dynamic_mask=True,
    )
    return stage


def _apply(stage: nn.Module, features: Tensor) -> Tensor:
    tokens: Tensor = stage(features.permute(0, 2, 3, 1))
    return tokens.permute(0, 3, 1, 2)

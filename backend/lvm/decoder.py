"""The decoder: reconstructs an image from the encoder's pyramid, the second half of the U-Net of Fu et al. (2024).

It follows SUNet (Fan, Liu & Liu 2022, arXiv:2202.14009): each upsampling step is the sum of a pixel shuffle and a bilinear
interpolation, followed by a skip connection from the encoder's map of that size and Swin blocks. Unlike SUNet, the finest map
has no skip connection: it alone allows a nearly unchanged image to be reconstructed, which would leave the encoder untrained.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from timm.models.swin_transformer import SwinTransformerStage
from torch import Tensor, nn
from torch.nn import functional

from backend.lvm.encoder import EncoderConfig

__all__ = ["Decoder", "DualUpsample"]

BLOCKS = 2
"""Swin blocks at each size."""
WINDOW = 8
HEAD_CHANNELS = 16


class DualUpsample(nn.Module):
    """Upsampling by a factor of 2: pixel shuffle for detail, bilinear interpolation for smoothness (Fan+2022, figure 3)."""

    def __init__(self, channels: int, channels_out: int) -> None:
        super().__init__()
        self.shuffled = nn.Conv2d(channels, 4 * channels_out, 1)
        self.smooth = nn.Conv2d(channels, channels_out, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Upsample features, shape (n, channels, h, w), to shape (n, channels_out, 2 h, 2 w)."""
        detail = functional.pixel_shuffle(self.shuffled(features), 2)
        smooth: Tensor = functional.interpolate(self.smooth(features), scale_factor=2, mode="bilinear")
        return detail + smooth


class Decoder(nn.Module):
    """Reconstructs images from the pyramid of an encoder.

    Parameters
    ----------
    config : EncoderConfig
        Configuration of the encoder.
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        coarse_to_fine = config.channels[::-1]
        self.ups = nn.ModuleList(DualUpsample(width, finer) for width, finer in pairwise(coarse_to_fine))
        levels_with_strides = list(zip(coarse_to_fine, config.strides[::-1], strict=True))[1:-1]
        self.joins = nn.ModuleList(nn.Conv2d(2 * width, width, 1) for width, _ in levels_with_strides)
        self.mixes = nn.ModuleList(
            SwinTransformerStage(
                dim=width,
                out_dim=width,
                input_resolution=(config.image_px // stride,) * 2,
                depth=BLOCKS,
                downsample=False,
                num_heads=max(1, width // HEAD_CHANNELS),
                head_dim=HEAD_CHANNELS,
                window_size=WINDOW,
                dynamic_mask=True,
            )
            for width, stride in levels_with_strides
        )
        self.finest = config.strides[0]
        self.out = nn.Conv2d(config.channels[0], 3 * self.finest**2, 3, padding=1)

    def forward(self, pyramid: tuple[Tensor, ...]) -> Tensor:
        """Reconstruct images.

        Parameters
        ----------
        pyramid : tuple of Tensor
            Result of `Encoder.pyramid` for images whose sides are multiples of the coarsest stride.

        Returns
        -------
        Tensor, shape (n, 3, height, width)
            Square root of the brightness, which gives faint structures more weight.
        """
        features = pyramid[-1]
        for step, up in enumerate(self.ups):
            features = up(features)
            if step < len(self.joins):
                features_of_step = self.joins[step](torch.cat([features, pyramid[-2 - step]], dim=1)).permute(0, 2, 3, 1)
                features = self.mixes[step](features_of_step).permute(0, 3, 1, 2)
        rebuilt: Tensor = functional.pixel_shuffle(self.out(features), self.finest)
        return rebuilt

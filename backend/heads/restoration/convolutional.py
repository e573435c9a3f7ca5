"""A small convolutional U-Net of residual blocks, the default form of the restorer's network."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional

__all__ = ["ConvolutionalConfig", "ConvolutionalUNet"]


@dataclass(frozen=True, slots=True)
class ConvolutionalConfig:
    """Shape of the network.

    Attributes
    ----------
    widths : tuple of int
        Channels at each size: 1/2 of the image, 1/4, ...
    blocks : int
        Residual blocks at each size, on the way down and on the way up.
    """

    form: ClassVar[str] = "convolutional"
    widths: tuple[int, ...] = (40, 80, 128)
    blocks: int = 2


class ResidualBlock(nn.Module):
    """Two convolutions beside the identity; the second starts at 0, so that a new block changes nothing."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)  # type: ignore[arg-type]

    def forward(self, features: Tensor) -> Tensor:
        """Return features of the same shape, (n, channels, h, w)."""
        change: Tensor = self.second(functional.gelu(self.first(features)))
        return features + change


class ConvolutionalUNet(nn.Module):
    """A U-Net whose first and last layers change between pixels and channels by a factor of 2 (Shi+2016, arXiv:1609.05158).

    Parameters
    ----------
    config : ConvolutionalConfig
    channels_in, channels_out : int
    """

    def __init__(self, config: ConvolutionalConfig, channels_in: int, channels_out: int) -> None:
        super().__init__()
        widths = config.widths
        self.enter = nn.Conv2d(4 * channels_in, widths[0], 3, padding=1)
        self.down = nn.ModuleList(_blocks(width, config.blocks) for width in widths)
        self.shrink = nn.ModuleList(nn.Conv2d(fine, coarse, 2, stride=2) for fine, coarse in pairwise(widths))
        self.grow = nn.ModuleList(nn.Conv2d(coarse, 4 * fine, 1) for fine, coarse in pairwise(widths))
        self.up = nn.ModuleList(_blocks(width, config.blocks) for width in widths[:-1])
        self.leave = nn.Conv2d(widths[0], 4 * channels_out, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (n, channels_in, h, w) to (n, channels_out, h, w); the sides are multiples of 2 to the number of widths."""
        features = self.down[0](self.enter(functional.pixel_unshuffle(inputs, 2)))
        levels = [features]
        for shrink, blocks in zip(self.shrink, self.down[1:], strict=True):
            features = blocks(shrink(features))
            levels.append(features)
        for level in range(len(levels) - 2, -1, -1):
            features = self.up[level](levels[level] + functional.pixel_shuffle(self.grow[level](features), 2))
        outputs: Tensor = functional.pixel_shuffle(self.leave(features), 2)
        return outputs


def _blocks(channels: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(channels) for _ in range(count)))

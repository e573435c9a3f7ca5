"""The encoder: maps a galaxy image to an embedding or to a pyramid of feature maps.

As in Fu et al. (2024), Chinese Physics C 48, 095001, light heads use one frozen encoder. Their only inputs are the results of
`embed` and `pyramid`, so the network can be changed with the checkpoint alone.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from backend.lvm.backbones.efficientnet import EfficientNet, EfficientNetConfig
from backend.lvm.backbones.swin import Swin, SwinConfig

__all__ = ["AVERAGING_VERSION", "FAMILIES", "NETWORKS", "Encoder", "EncoderConfig", "quarter_turns"]

EncoderConfig = SwinConfig | EfficientNetConfig

AVERAGING_VERSION = "quarter turns"
"""Part of the key of a cached embedding."""

FAMILIES: dict[str, type[SwinConfig] | type[EfficientNetConfig]] = {
    config.family: config for config in (SwinConfig, EfficientNetConfig)
}
"""Configuration class of each family name in a checkpoint."""
NETWORKS: dict[str, EncoderConfig] = {
    "efficientnet-lite0": EfficientNetConfig(),
    "swin-compact": SwinConfig(),
    "swin-tiny": SwinConfig(width=96),
    "swin-paper": SwinConfig(width=96, depths=(8, 8, 8, 8)),
}
"""Networks by their names on the command line: 3, 7, 28 and 77 million parameters; the last, for GPUs, is that of Fu et al."""


class Encoder(nn.Module):
    """A backbone with the common steps of all families: square root of the brightness, padding, pooling, averaging.

    Parameters
    ----------
    config : SwinConfig or EfficientNetConfig
        Family and shape of the network.
    drop_path : float
        Probability of leaving out a residual branch while training.
    """

    numerics: ClassVar[str] = ""
    """Name of the arithmetic in the cache keys of features; empty for PyTorch in float32."""

    def __init__(self, config: EncoderConfig, *, drop_path: float = 0.0) -> None:
        super().__init__()
        self.config = config
        self.backbone: Swin | EfficientNet
        if isinstance(config, SwinConfig):
            self.backbone = Swin(config, drop_path=drop_path)
        else:
            self.backbone = EfficientNet(config, drop_path=drop_path)

    @property
    def dimension(self) -> int:
        """Length of an embedding."""
        return self.config.dimension

    @property
    def image_px(self) -> int:
        """Side of the crop of a galaxy to be embedded, pixels."""
        return self.config.image_px

    def forward(self, images: Tensor) -> Tensor:
        """Embed images.

        Parameters
        ----------
        images : Tensor, shape (n, 3, height, width)
            Gamma-encoded brightness in [0, 1]; for good embeddings, crops of `config.image_px` by `backend.lvm.cropping.frame`.

        Returns
        -------
        Tensor, shape (n, dimension)
        """
        return self.pool(self.pyramid(images))

    def pool(self, pyramid: tuple[Tensor, ...]) -> Tensor:
        """Compute the embeddings, shape (n, dimension), of images from their pyramid."""
        return self.backbone.pool(pyramid[-1])

    def embed_view(self, images: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Compute the embeddings of single views, shape (n, dimension), and their pyramid, in one pass."""
        levels = self.pyramid(images)
        return self.pool(levels), levels

    def pyramid(self, images: Tensor) -> tuple[Tensor, ...]:
        """Compute the feature maps of images of any size, the finest first.

        Parameters
        ----------
        images : Tensor, shape (n, 3, height, width)
            Brightness in [0, 1].

        Returns
        -------
        tuple of Tensor, shapes (n, config.channels[i], ceil(height / config.strides[i]), ceil(width / config.strides[i]))
        """
        height, width = images.shape[-2:]
        coarsest = self.config.strides[-1]
        padded_images = functional.pad(images, (0, -width % coarsest, 0, -height % coarsest))  # black, like empty sky
        # The square root increases the contrast of faint arms and haloes.
        levels = self.backbone.levels(padded_images.clamp(min=0).sqrt())
        return tuple(
            level[:, :, : -(-height // stride), : -(-width // stride)]
            for level, stride in zip(levels, self.config.strides, strict=True)
        )

    @torch.inference_mode()
    def embed(self, images: Tensor, *, turns: int = 4) -> Tensor:
        """Embed images, averaged over quarter turns.

        The orientation of a galaxy is arbitrary, and the average over four turns is invariant under quarter turns. Mirror
        images are not averaged: they change the accuracy by at most 0.005 (`docs/benchmarks.md`) and double the time.

        Parameters
        ----------
        images : Tensor, shape (n, 3, height, width)
            Brightness in [0, 1].
        turns : int
            Number of quarter turns, 1 to 4, of which the first leaves the image as it is.

        Returns
        -------
        Tensor, shape (n, dimension), float32
        """
        # A rotated view has another memory layout, in which convolutions are slower.
        views = (view.contiguous(memory_format=torch.channels_last) for view in quarter_turns(images, turns))
        return torch.stack([self(view) for view in views]).mean(dim=0).float()


def quarter_turns(images: Tensor, turns: int = 4) -> list[Tensor]:
    """Return a batch, shape (n, c, h, w), rotated by 0, 90, 180 and 270 degrees, or by the first of these."""
    return [torch.rot90(images, count, dims=(-2, -1)) for count in range(turns)]

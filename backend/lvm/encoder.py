"""The encoder: turns a galaxy image into one embedding, or into a pyramid of feature maps.

Fu et al. (2024), Chinese Physics C 48, 095001, put light heads on one frozen encoder. The heads only ever see what `embed` and
`pyramid` return, so another network is another checkpoint.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from backend.lvm.backbones.efficientnet import EfficientNet, EfficientNetConfig
from backend.lvm.backbones.swin import Swin, SwinConfig

__all__ = ["AVERAGING_VERSION", "FAMILIES", "NETWORKS", "Encoder", "EncoderConfig", "quarter_turns"]

EncoderConfig = SwinConfig | EfficientNetConfig

AVERAGING_VERSION = "quarter turns"
"""Part of the key of a cached embedding."""

FAMILIES: dict[str, type[SwinConfig] | type[EfficientNetConfig]] = {one.family: one for one in (SwinConfig, EfficientNetConfig)}
"""By the name that a checkpoint gives."""
NETWORKS: dict[str, EncoderConfig] = {
    "efficientnet-lite0": EfficientNetConfig(),
    "swin-compact": SwinConfig(),
    "swin-tiny": SwinConfig(width=96),
    "swin-paper": SwinConfig(width=96, depths=(8, 8, 8, 8)),
}
"""By the name that a user gives: 3, 7, 28 and 77 million parameters; the last is the paper's encoder, for GPUs."""


class Encoder(nn.Module):
    """A backbone with what is the same for all of them: brightness in, padding, pooling, averaging.

    Parameters
    ----------
    config : SwinConfig or EfficientNetConfig
        Which network, in which shape.
    drop_path : float
        Probability of leaving out a residual branch while training.
    """

    def __init__(self, config: EncoderConfig, *, drop_path: float = 0.0) -> None:
        super().__init__()
        self.config = config
        self.backbone: Swin | EfficientNet
        if isinstance(config, SwinConfig):
            self.backbone = Swin(config, drop_path=drop_path)
        else:
            self.backbone = EfficientNet(config, drop_path=drop_path)

    def forward(self, images: Tensor) -> Tensor:
        """Embed images.

        Parameters
        ----------
        images : Tensor, shape (n, 3, height, width)
            Brightness in [0, 1] as a person sees it (gamma-encoded); framed in `config.image_px` for a good embedding.

        Returns
        -------
        Tensor, shape (n, dimension)
        """
        return self.pool(self.pyramid(images))

    def pool(self, pyramid: tuple[Tensor, ...]) -> Tensor:
        """Embeddings, shape (n, dimension), of images from their pyramid."""
        return self.backbone.pool(pyramid[-1])

    def pyramid(self, images: Tensor) -> tuple[Tensor, ...]:
        """Feature maps of images of any size, the finest first.

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
        padded = functional.pad(images, (0, -width % coarsest, 0, -height % coarsest))  # with black, as empty sky
        # The square root lifts faint arms and haloes out of the dark.
        levels = self.backbone.levels(padded.clamp(min=0).sqrt())
        return tuple(
            level[:, :, : -(-height // stride), : -(-width // stride)]
            for level, stride in zip(levels, self.config.strides, strict=True)
        )

    @torch.inference_mode()
    def embed(self, images: Tensor) -> Tensor:
        """Embed images, averaged over four quarter turns.

        A galaxy has no up: the average is the same for each of its turns. Mirror images are left out: with them labels were
        worth no more (`docs/benchmarks.md`) and cost twice the time.

        Parameters
        ----------
        images : Tensor, shape (n, 3, height, width)
            Brightness in [0, 1].

        Returns
        -------
        Tensor, shape (n, dimension), float32
        """
        return torch.stack([self(turned) for turned in quarter_turns(images)]).mean(dim=0).float()


def quarter_turns(images: Tensor) -> list[Tensor]:
    """Give a batch, shape (n, c, h, w), turned by 0, 90, 180 and 270 degrees."""
    return [torch.rot90(images, turns, dims=(-2, -1)) for turns in range(4)]

"""Swin transformers (Liu et al. 2021, arXiv:2103.14030), the family of the encoder of Fu et al. (2024)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from timm.models.swin_transformer import SwinTransformer
from torch import Tensor, nn

__all__ = ["Swin", "SwinConfig"]

MEAN, DEVIATION = 0.4, 0.25
"""Mean and standard deviation of the square root of the brightness in crops of galaxies."""


@dataclass(frozen=True, slots=True)
class SwinConfig:
    """Shape of a Swin transformer.

    Attributes
    ----------
    image_px : int
        Side of the square crop of a galaxy to be embedded, pixels.
    patch_px, window : int
        Patch side in pixels; attention window side in patches.
    width : int
        Channels of the first stage; each further stage doubles them.
    depths, heads : tuple of int
        Blocks and attention heads of each stage.
    """

    family: ClassVar[str] = "swin"
    halves_on_cpu: ClassVar[bool] = True
    """Whether bfloat16 is faster on CPUs: at least twice as fast on CPUs that support it."""
    image_px: int = 128
    patch_px: int = 4
    window: int = 8
    width: int = 48
    depths: tuple[int, ...] = (2, 2, 6, 2)
    heads: tuple[int, ...] = (3, 6, 12, 24)

    @property
    def dimension(self) -> int:
        """Length of the pooled embedding."""
        return self.channels[-1]

    @property
    def strides(self) -> tuple[int, ...]:
        """Stride of each level of the pyramid, pixels, the finest first."""
        return tuple(self.patch_px << level for level in range(len(self.depths)))

    @property
    def channels(self) -> tuple[int, ...]:
        """Number of channels of each level of the pyramid."""
        return tuple(self.width << level for level in range(len(self.depths)))


class Swin(nn.Module):
    """A Swin transformer without a classifier.

    Parameters
    ----------
    config : SwinConfig
    drop_path : float
        Probability of leaving out a residual branch while training.
    """

    def __init__(self, config: SwinConfig, *, drop_path: float) -> None:
        super().__init__()
        self.swin = SwinTransformer(
            img_size=config.image_px,
            patch_size=config.patch_px,
            window_size=config.window,
            embed_dim=config.width,
            depths=config.depths,
            num_heads=config.heads,
            num_classes=0,
            drop_path_rate=drop_path,
            strict_img_size=False,
        )

    def levels(self, channels_first: Tensor) -> list[Tensor]:
        """Compute the feature maps of images, shape (n, 3, h, w), whose sides are multiples of the coarsest stride."""
        features = self.swin.patch_embed((channels_first - MEAN) / DEVIATION)
        levels = []
        for stage in self.swin.layers:
            features = stage(features)
            levels.append(features)
        levels[-1] = self.swin.norm(levels[-1])
        return [level.permute(0, 3, 1, 2) for level in levels]

    def pool(self, coarsest: Tensor) -> Tensor:
        """Compute the embeddings, shape (n, dimension), from the coarsest level."""
        return coarsest.mean(dim=(2, 3))

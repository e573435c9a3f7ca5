"""The encoder: a Swin transformer that turns a galaxy image into one embedding.

Fu et al. (2024), Chinese Physics C 48, 095001, put light heads on one frozen Swin encoder; this is that encoder in a size
that two CPU cores can serve. The heads only ever see what `embed` returns, so another size is another checkpoint.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from timm.models.swin_transformer import SwinTransformer
from torch import Tensor, nn

__all__ = ["Encoder", "EncoderConfig", "dihedral_views"]


@dataclass(frozen=True, slots=True)
class EncoderConfig:
    """What must be known to build an encoder of the same shape again.

    Attributes
    ----------
    image_px : int
        Side of the square input, pixels.
    patch_px, window : int
        Patch side in pixels; attention window side in patches.
    width : int
        Channels of the first stage; each further stage doubles them.
    depths, heads : tuple of int
        Blocks and attention heads of each stage.
    """

    image_px: int = 64
    patch_px: int = 4
    window: int = 8
    width: int = 48
    depths: tuple[int, ...] = (2, 2, 6, 2)
    heads: tuple[int, ...] = (3, 6, 12, 24)

    @property
    def dimension(self) -> int:
        """Length of the pooled embedding."""
        return self.width << (len(self.depths) - 1)


class Encoder(nn.Module):
    """Swin encoder with mean pooling.

    Parameters
    ----------
    config : EncoderConfig
        Shape of the network.
    drop_path : float
        Probability of leaving out a residual branch while training.
    """

    def __init__(self, config: EncoderConfig, *, drop_path: float = 0.0) -> None:
        super().__init__()
        self.config = config
        self.swin = SwinTransformer(
            img_size=config.image_px,
            patch_size=config.patch_px,
            window_size=config.window,
            embed_dim=config.width,
            depths=config.depths,
            num_heads=config.heads,
            num_classes=0,
            drop_path_rate=drop_path,
        )

    def forward(self, images: Tensor) -> Tensor:
        """Embed stretched images.

        Parameters
        ----------
        images : Tensor, shape (n, 3, image_px, image_px)
            Brightness in [0, 1] as a person sees it (gamma-encoded).

        Returns
        -------
        Tensor, shape (n, dimension)
        """
        # The square root lifts faint arms and haloes out of the dark; the shift and scale centre what a galaxy frame holds.
        features = self.swin.forward_features((images.clamp(min=0).sqrt() - 0.4) / 0.25)
        pooled: Tensor = features.mean(dim=(1, 2))
        return pooled

    @torch.inference_mode()
    def embed(self, images: Tensor) -> Tensor:
        """Embed images, averaged over their eight dihedral views.

        A galaxy has no up: the average over rotations by 90 degrees and mirror images is the same for each of them.

        Parameters
        ----------
        images : Tensor, shape (n, 3, image_px, image_px)
            Brightness in [0, 1].

        Returns
        -------
        Tensor, shape (n, dimension), float32
        """
        return torch.stack([self(view) for view in dihedral_views(images)]).mean(dim=0).float()


def dihedral_views(images: Tensor) -> list[Tensor]:
    """Give the eight rotations and mirror images of a batch, shape (n, c, h, w) each."""
    mirrored = images.flip(-1)
    return [torch.rot90(batch, turns, dims=(-2, -1)) for batch in (images, mirrored) for turns in range(4)]

"""The segmenter's network: SAM's prompt encoder and mask decoder, and a small neck from what was seen to one image embedding.

The neck also gets the window's own pixels, four by four to a cell: an outline is an isophote, and runs where pixels say.

References
----------
Kirillov et al. (2023), Segment Anything, ICCV.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from segment_anything.modeling import MaskDecoder, PromptEncoder, TwoWayTransformer
from timm.layers.norm import LayerNorm2d
from torch import Tensor, nn
from torch.nn import functional

from sync.files.cache import key_of

__all__ = ["SegmenterConfig", "SegmenterNetwork"]

FAINT = 0.01


@dataclass(frozen=True, slots=True)
class SegmenterConfig:
    """What must be known to build a network of the same shape again.

    Attributes
    ----------
    channels : tuple of int
        Of the feature maps that the neck reads; empty where the image embedding itself was seen, as SAM's encoder gives it.
    light : int
        Planes of the picture itself that the neck gets.
    width : int
        Numbers a cell of the image embedding.
    hidden : int
        Of the perceptrons in the decoder's transformer.
    cells : int
        The image embedding has as many a side.
    shown_px : int
        Side of a window as it is looked at.
    """

    channels: tuple[int, ...] = ()
    light: int = 4
    width: int = 128
    hidden: int = 512
    cells: int = 32
    shown_px: int = 256

    @property
    def points(self) -> int:
        """Masks are decoded on a grid with as many points a side."""
        return 4 * self.cells


class Neck(nn.Module):
    """Brings feature maps and pixels to one grid and one width, as the neck of SAM's image encoder does."""

    def __init__(self, config: SegmenterConfig) -> None:
        super().__init__()
        self.cells = config.cells
        self.norms = nn.ModuleList(LayerNorm2d(channels) for channels in config.channels)
        self.mixing = nn.Conv2d(sum(config.channels) + config.light * 16, config.width, kernel_size=1, bias=False)
        self.between = LayerNorm2d(config.width)
        self.smoothing = nn.Conv2d(config.width, config.width, kernel_size=3, padding=1, bias=False)
        self.last = LayerNorm2d(config.width)

    def forward(self, seen: Sequence[Tensor]) -> Tensor:
        """Maps of shapes (1, channels[i], h, w), then pixels of shape (1, light, points, points), become an image embedding."""
        *levels, light = seen
        parts = [functional.pixel_unshuffle(light, 4)]
        for norm, level in zip(self.norms, levels, strict=True):
            size = (self.cells, self.cells)
            parts.append(functional.interpolate(norm(level), size=size, mode="bilinear", align_corners=False))
        mixed = self.between(self.mixing(torch.cat(parts, dim=1)))
        embedding: Tensor = self.last(self.smoothing(mixed))
        return embedding


class SegmenterNetwork(nn.Module):
    """Neck, prompt encoder and mask decoder; the last two have SAM's names for their weights."""

    def __init__(self, config: SegmenterConfig) -> None:
        super().__init__()
        self.config = config
        self.neck = Neck(config) if config.channels else None
        side, shown = (config.cells, config.cells), (config.shown_px, config.shown_px)
        self.prompt_encoder = PromptEncoder(
            embed_dim=config.width, image_embedding_size=side, input_image_size=shown, mask_in_chans=16
        )
        self.mask_decoder = MaskDecoder(
            num_multimask_outputs=3,
            transformer=TwoWayTransformer(depth=2, embedding_dim=config.width, mlp_dim=config.hidden, num_heads=8),
            transformer_dim=config.width,
            iou_head_depth=3,
            iou_head_hidden_dim=config.width,
        )
        # Each candidate begins as the first guess, where there is one: a decoder that knows nothing adds next to nothing.
        self.trust = nn.Parameter(torch.full((self.mask_decoder.num_mask_tokens,), 1.0)) if self.guided else None
        if self.guided:
            for perceptron in self.mask_decoder.output_hypernetworks_mlps:
                nn.init.normal_(perceptron.layers[-1].weight, std=FAINT)
                nn.init.zeros_(perceptron.layers[-1].bias)

    @property
    def guided(self) -> bool:
        """Whether masks start from a first guess by isophotes; SAM's own decoder knows none."""
        return bool(self.config.channels)

    def embed(self, seen: Sequence[Tensor]) -> Tensor:
        """The image embedding, shape (1, width, cells, cells), of what was seen of a window."""
        embedding: Tensor = seen[0] if self.neck is None else self.neck(seen)
        return embedding

    def fingerprint(self) -> str:
        """Names the weights and the shape as they are now: 16 hexadecimal digits."""
        weights = (value.detach().numpy().tobytes() for value in self.state_dict().values())
        return key_of(repr(self.config), *weights)[:16]

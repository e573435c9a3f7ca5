"""The segmenter's network: SAM's prompt encoder and mask decoder, and a small neck from features to one image embedding.

The neck also gets the pixels of the window, four by four to a cell: an outline is an isophote, which features do not resolve.

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
    """The shape of a network.

    Attributes
    ----------
    channels : tuple of int
        Of the feature maps that the neck reads; empty where the encoder gives the image embedding itself, as SAM's does.
    light : int
        Planes of the image itself that the neck gets.
    width : int
        Channels of the image embedding.
    hidden : int
        Of the perceptrons in the decoder's transformer.
    cells : int
        Cells of the image embedding along one side.
    shown_px : int
        Side of a window as the encoder gets it.
    """

    channels: tuple[int, ...] = ()
    light: int = 4
    width: int = 128
    hidden: int = 512
    cells: int = 32
    shown_px: int = 256

    @property
    def points(self) -> int:
        """Points along one side of the grid on which masks are decoded."""
        return 4 * self.cells


class Neck(nn.Module):
    """Combines feature maps and pixels on one grid, as the neck of SAM's image encoder does."""

    def __init__(self, config: SegmenterConfig) -> None:
        super().__init__()
        self.cells = config.cells
        self.norms = nn.ModuleList(LayerNorm2d(channels) for channels in config.channels)
        self.mixing = nn.Conv2d(sum(config.channels) + config.light * 16, config.width, kernel_size=1, bias=False)
        self.between = LayerNorm2d(config.width)
        self.smoothing = nn.Conv2d(config.width, config.width, kernel_size=3, padding=1, bias=False)
        self.last = LayerNorm2d(config.width)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """From maps of shapes (1, channels[i], h, w) and pixels of shape (1, light, points, points) to an image embedding."""
        *levels, light = features
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
        # Each candidate starts as the first guess, where there is one: an untrained decoder adds next to nothing.
        self.trust = nn.Parameter(torch.full((self.mask_decoder.num_mask_tokens,), 1.0)) if self.uses_first_guess else None
        if self.uses_first_guess:
            for perceptron in self.mask_decoder.output_hypernetworks_mlps:
                nn.init.normal_(perceptron.layers[-1].weight, std=FAINT)
                nn.init.zeros_(perceptron.layers[-1].bias)

    @property
    def uses_first_guess(self) -> bool:
        """Whether masks start from a first guess by isophotes; SAM's own decoder does not."""
        return bool(self.config.channels)

    def embed(self, features: Sequence[Tensor]) -> Tensor:
        """Return the image embedding of the features of a window, shape (1, width, cells, cells)."""
        embedding: Tensor = features[0] if self.neck is None else self.neck(features)
        return embedding

    def fingerprint(self) -> str:
        """Return a hash of weights and shape: 16 hexadecimal digits."""
        weights = (value.detach().numpy().tobytes() for value in self.state_dict().values())
        return key_of(repr(self.config), *weights)[:16]

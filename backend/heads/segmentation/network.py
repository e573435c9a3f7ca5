"""The network of the segmenter: SAM's prompt encoder and mask decoder, and a small neck from features to an image embedding.

The neck also reads the pixels of the window, 4 x 4 per cell: an outline is an isophote, which features do not resolve.

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
        Channels of the feature maps that the neck reads; empty if the encoder computes the image embedding, as that of SAM
        does.
    light : int
        Number of planes of pixels that the neck reads.
    width : int
        Channels of the image embedding.
    hidden : int
        Hidden units of the perceptrons in the transformer of the decoder.
    cells : int
        Cells of the image embedding along one side.
    shown_px : int
        Side of a scaled window, the encoder's input, pixels.
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
    """Combines feature maps and pixels on one grid, like the neck of SAM's image encoder."""

    def __init__(self, config: SegmenterConfig) -> None:
        super().__init__()
        self.cells = config.cells
        self.norms = nn.ModuleList(LayerNorm2d(channels) for channels in config.channels)
        self.mixing = nn.Conv2d(sum(config.channels) + config.light * 16, config.width, kernel_size=1, bias=False)
        self.between = LayerNorm2d(config.width)
        self.smoothing = nn.Conv2d(config.width, config.width, kernel_size=3, padding=1, bias=False)
        self.last = LayerNorm2d(config.width)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Compute an image embedding from maps, shapes (1, channels[i], h, w), and pixels, shape (1, light, points, points)."""
        *levels, light = features
        parts = [functional.pixel_unshuffle(light, 4)]
        for norm, level in zip(self.norms, levels, strict=True):
            size = (self.cells, self.cells)
            parts.append(functional.interpolate(norm(level), size=size, mode="bilinear", align_corners=False))
        cells = self.between(self.mixing(torch.cat(parts, dim=1)))
        embedding: Tensor = self.last(self.smoothing(cells))
        return embedding


class SegmenterNetwork(nn.Module):
    """Neck, prompt encoder and mask decoder; the weights of the last two have the same names as in SAM."""

    def __init__(self, config: SegmenterConfig) -> None:
        super().__init__()
        self.config = config
        self.neck = Neck(config) if config.channels else None
        side, window_size = (config.cells, config.cells), (config.shown_px, config.shown_px)
        self.prompt_encoder = PromptEncoder(
            embed_dim=config.width, image_embedding_size=side, input_image_size=window_size, mask_in_chans=16
        )
        self.mask_decoder = MaskDecoder(
            num_multimask_outputs=3,
            transformer=TwoWayTransformer(depth=2, embedding_dim=config.width, mlp_dim=config.hidden, num_heads=8),
            transformer_dim=config.width,
            iou_head_depth=3,
            iou_head_hidden_dim=config.width,
        )
        # With first guesses, each candidate of an untrained decoder is nearly equal to the first guess.
        self.trust = nn.Parameter(torch.full((self.mask_decoder.num_mask_tokens,), 1.0)) if self.uses_first_guess else None
        if self.uses_first_guess:
            for perceptron in self.mask_decoder.output_hypernetworks_mlps:
                nn.init.normal_(perceptron.layers[-1].weight, std=FAINT)
                nn.init.zeros_(perceptron.layers[-1].bias)

    @property
    def uses_first_guess(self) -> bool:
        """Whether masks start from a first guess by isophotes; those of SAM do not."""
        return bool(self.config.channels)

    def embed(self, features: Sequence[Tensor]) -> Tensor:
        """Return the image embedding of the features of a window, shape (1, width, cells, cells)."""
        embedding: Tensor = features[0] if self.neck is None else self.neck(features)
        return embedding

    def fingerprint(self) -> str:
        """Return a hash of the weights and the shape, 16 hexadecimal digits."""
        weights = (value.detach().numpy().tobytes() for value in self.state_dict().values())
        return key_of(repr(self.config), *weights)[:16]

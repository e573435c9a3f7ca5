"""Decoding: computes masks and their expected overlaps from the image embedding of a window and prompts."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from backend.heads.segmentation.network import SegmenterNetwork

__all__ = ["DRAWN_LOGIT", "NO_POINT", "Candidates", "WindowPrompts", "decode"]

NO_POINT = -1
"""Label of padding in place of a point, as in SAM."""
DRAWN_LOGIT = 6.0
"""Absolute logit of a drawn mask, which is binary."""


@dataclass(frozen=True, slots=True, eq=False)
class WindowPrompts:
    """Prompts for n objects on one window.

    Attributes
    ----------
    points : Tensor, shape (n, k, 2)
        x and y, pixels of the scaled window (the encoder's input); the centre of its first pixel is (0.5, 0.5).
    labels : Tensor, shape (n, k)
        1 positive, 0 negative, `NO_POINT`.
    boxes : Tensor, shape (n, 4), or None
        Left, top, right, bottom, in the same pixels.
    guesses : Tensor, shape (n, points, points), or None
        Logits of the masks from which the decoder starts; required by the shipped network.
    """

    points: Tensor
    labels: Tensor
    boxes: Tensor | None = None
    guesses: Tensor | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Candidate masks of n objects.

    Attributes
    ----------
    logits : Tensor, shape (n, 4, points, points)
        Above 0 inside the object.
    quality : Tensor, shape (n, 4)
        Expected intersection over union of each candidate.
    """

    logits: Tensor
    quality: Tensor

    def select_best(self) -> tuple[Tensor, Tensor]:
        """Return logits, shape (n, points, points), and quality, shape (n,), 0 to 1, of the best candidate of each object."""
        indices = self.quality.argmax(dim=1)
        rows = torch.arange(len(indices))
        return self.logits[rows, indices], self.quality[rows, indices].clamp(0, 1)


def decode(network: SegmenterNetwork, embedding: Tensor, prompts: WindowPrompts) -> Candidates:
    """Decode the candidate masks of prompts; the result is deterministic.

    Parameters
    ----------
    network : SegmenterNetwork
    embedding : Tensor, shape (1, width, cells, cells)
        Image embedding of the window, from `network.embed`.
    prompts : WindowPrompts
    """
    encoder, guesses = network.prompt_encoder, prompts.guesses
    # SAM adds half a pixel, to move points to the centres of pixels; these points are already there.
    sparse, dense = encoder(
        points=(prompts.points - 0.5, prompts.labels),
        boxes=None if prompts.boxes is None else prompts.boxes - 0.5,
        masks=None if guesses is None else guesses[:, None],
    )
    logits, quality = network.mask_decoder.predict_masks(
        image_embeddings=embedding,
        image_pe=encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
    )
    if network.trust is not None and guesses is not None:
        logits = logits + network.trust[None, :, None, None] * guesses[:, None]
    return Candidates(logits, quality)

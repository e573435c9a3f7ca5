"""Official checkpoints of SAM (ViT-B, L, H) and MobileSAM in place of the shipped segmenter, with the same prompts.

They are fine-tuned as the shipped segmenter is.

A checkpoint is read with `weights_only`, so that it cannot execute code; its type is derived from the shapes of its weights.
The image encoder encodes the whole image once, which takes seconds on a CPU; its features are cached like all window features.
"""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from segment_anything import sam_model_registry
from torch import Tensor
from torch.nn import functional

from backend.heads.segmentation.lvm_window_encoder import SkyLevel, above_sky, scale_window
from backend.heads.segmentation.mobile_sam import MobileEncoder, is_mobile_sam, mobile_weights
from backend.heads.segmentation.network import SegmenterConfig, SegmenterNetwork
from backend.heads.segmentation.prompted_masks import PromptedMasks
from backend.heads.segmentation.window_features import WindowFeatures
from backend.lvm.checkpoint import CheckpointError
from backend.lvm.tiles import Tile, cut
from sync.geometry.shapes import Size

__all__ = ["SAM_CONFIG", "SamWindows", "load_sam"]

SAM_CONFIG = SegmenterConfig(width=256, hidden=2048, cells=64, shown_px=1024)
TYPES = {(768, 12): "vit_b", (1024, 24): "vit_l", (1280, 32): "vit_h"}
"""Type of a checkpoint by width and depth of the image encoder."""
MOBILE = "vit_t"
"""Type of a checkpoint of MobileSAM."""
MEAN, DEVIATION = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
"""Mean and standard deviation of SAM's training images, 0 to 255."""


class SamWindows:
    """SAM's image encoder as a window encoder, with the whole image as the only window.

    Attributes
    ----------
    kind : str
        "vit_b", "vit_l", "vit_h" or "vit_t", which is MobileSAM's.
    """

    shown_px = SAM_CONFIG.shown_px

    def __init__(self, encoder: torch.nn.Module, *, kind: str, fingerprint: str) -> None:
        self._encoder = encoder
        self.kind = kind
        self.fingerprint = fingerprint

    def sides(self, size: Size) -> tuple[int, ...]:
        """Return the side of the only window of an image of `size` (width, height), pixels."""
        return (max(size),)

    @torch.no_grad()
    def encode(self, pixels: NDArray[np.float32], window: Tile) -> WindowFeatures:
        """Encode an image.

        Parameters
        ----------
        pixels : ndarray, shape (height, width, 3)
        window : Tile
            The whole image.

        Returns
        -------
        tuple of Tensor, shapes (1, 256, 64, 64) and (1, 1, 256, 256)
            The image embedding, and the light above the sky, which the rules of prompted masks need.
        """
        light = functional.avg_pool2d(scale_window(pixels, window, side=self.shown_px), self.shown_px // SAM_CONFIG.points)
        image = cut(pixels, window)[..., : self.shown_px, : self.shown_px] * 255
        scaled_image = (image - image.new_tensor(MEAN).view(1, 3, 1, 1)) / image.new_tensor(DEVIATION).view(1, 3, 1, 1)
        padding = (0, self.shown_px - image.shape[-1], 0, self.shown_px - image.shape[-2])  # after the normalisation, as in SAM
        embedding: Tensor = self._encoder(functional.pad(scaled_image, padding))
        return embedding, above_sky(light, SkyLevel.of(pixels))


def load_sam(path: Path) -> tuple[SamWindows, PromptedMasks]:
    """Read an official checkpoint: its image encoder as a window encoder, its prompt encoder and mask decoder as a head.

    Raises
    ------
    CheckpointError
        If the file is missing, does not hold weights, or holds another model.
    """
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
    # torch.load raises many types of errors: random bytes in place of a pickle cause KeyError or IndexError.
    except (OSError, RuntimeError, EOFError, ValueError, LookupError, pickle.UnpicklingError, SafetensorError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"the SAM checkpoint {path} cannot be read as weights: {reason}") from error
    kind = _kind(weights, path)
    network = SegmenterNetwork(SAM_CONFIG)
    try:
        encoder = _load_encoder(weights, kind)
        network.prompt_encoder.load_state_dict(_part(weights, "prompt_encoder."))
        network.mask_decoder.load_state_dict(_part(weights, "mask_decoder."))
    except RuntimeError as error:
        raise CheckpointError(f"the weights in {path} do not fit SAM's {kind}: {error}") from error
    with path.open("rb") as file:
        fingerprint = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    windows = SamWindows(encoder, kind=kind, fingerprint=fingerprint)
    return windows, PromptedMasks(network.eval().requires_grad_(False), fingerprint)


def _load_encoder(weights: dict[str, Tensor], kind: str) -> torch.nn.Module:
    """Return the image encoder of these weights.

    Raises
    ------
    RuntimeError
        If the weights do not fit.
    """
    if kind == MOBILE:
        mobile = MobileEncoder()
        mobile.load_state_dict(mobile_weights(weights))
        return mobile.eval().requires_grad_(False).float()
    with torch.device("meta"):  # does not initialise weights that are overwritten: ViT-H has 636 million
        model = sam_model_registry[kind]()
    model.load_state_dict(weights, assign=True)
    encoder: torch.nn.Module = model.image_encoder.eval().requires_grad_(False).float()
    return encoder


def _part(weights: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in weights.items() if name.startswith(prefix)}


def _kind(weights: object, path: Path) -> str:
    """Return the type of the image encoder of these weights."""
    if isinstance(weights, dict) and all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in weights.items()
    ):
        if is_mobile_sam(weights):
            return MOBILE
        position = weights.get("image_encoder.pos_embed")
        depth = len({name.split(".")[2] for name in weights if name.startswith("image_encoder.blocks.")})
        if position is not None and (kind := TYPES.get((int(position.shape[-1]), depth))) is not None:
            return kind
    raise CheckpointError(
        f"{path} does not hold the weights of SAM's ViT-B, ViT-L or ViT-H, or of MobileSAM: give one of the official "
        "sam_vit_*.pth files, or mobile_sam.pt"
    )

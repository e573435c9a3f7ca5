"""The shipped encoder: embeddings of the classifier's network, annular means of its feature maps, and radial profiles.

The network has learned volunteers' votes, and its embedding keeps little of what they did not ask for. Its earlier feature maps
and the profiles of the light keep it: numbers such as metallicity, rings and odd galaxies are predicted better from all three.
One pass through the network gives both its embedding and its feature maps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from backend.lvm.annular_pooling import pool_annuli
from backend.lvm.checkpoint_files import SHIPPED_CHECKPOINT, CheckpointError
from backend.lvm.encoder import Encoder, quarter_turns
from backend.lvm.openvino_encoder import load_fastest_encoder
from backend.lvm.radial_profiles import measure_profiles
from backend.lvm.shipped_names import SHIPPED_AXES

__all__ = ["ShippedEncoder", "load_shipped_encoder", "measure_details"]

ANNULI = {4: 5, 8: 4, 16: 3}
"""Stride of a feature map, pixels, to its number of annuli."""


class ShippedEncoder:
    """The classifier's network with annular means and profiles.

    The first numbers are the embedding by the network, as `Encoder.embed` returns it. The others are projected on axes that are
    partly decorrelated: a head standardises all numbers, and neighbouring annuli and radii are so similar that together they
    would outweigh the embedding.

    Parameters
    ----------
    encoder : Encoder
    arrays : mapping
        "annuli.mean" and "profiles.mean", shape (p,), and "annuli.axes" and "profiles.axes", shape (p, p), axes as columns.
    """

    def __init__(self, encoder: Encoder, arrays: Mapping[str, Tensor]) -> None:
        self._encoder = encoder
        self._projections = {
            name: (arrays[f"{name}.mean"].float(), arrays[f"{name}.axes"].float()) for name in ("annuli", "profiles")
        }

    @property
    def numerics(self) -> str:
        """Name of its arithmetic in cache keys."""
        return self._encoder.numerics

    @property
    def dimension(self) -> int:
        """Length of an embedding."""
        return self._encoder.dimension + sum(axes.shape[1] for _, axes in self._projections.values())

    @property
    def image_px(self) -> int:
        """Side of its images, pixels."""
        return self._encoder.image_px

    @torch.inference_mode()
    def embed(self, images: Tensor) -> Tensor:
        """Embed images; see `Embedder.embed`."""
        embeddings, details = measure_details(self._encoder, images)
        further_numbers = [(details[name] - mean) @ axes for name, (mean, axes) in self._projections.items()]
        return torch.cat([embeddings, *further_numbers], dim=1)


def measure_details(encoder: Encoder, images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Embed images over four quarter turns, and return annular means of the feature maps and profiles beside the embedding.

    Parameters
    ----------
    encoder : Encoder
    images : Tensor, shape (n, 3, side, side)
        Brightness in [0, 1].

    Returns
    -------
    Tensor, shape (n, dimension), and dict
        The embeddings, and the unprojected "annuli" and "profiles", shape (n, p) each.
    """
    embeddings, annuli = [], []
    for view in quarter_turns(images):
        embedding, levels = encoder.embed_view(view.contiguous(memory_format=torch.channels_last))
        embeddings.append(embedding)
        by_stride = dict(zip(encoder.config.strides, levels, strict=True))
        annuli.append(torch.cat([pool_annuli(by_stride[stride], count) for stride, count in ANNULI.items()], dim=1))
    details = {"annuli": torch.stack(annuli).mean(dim=0).float(), "profiles": measure_profiles(images)}
    return torch.stack(embeddings).mean(dim=0).float(), details


def load_shipped_encoder(load: Callable[[Path], Encoder] = load_fastest_encoder) -> ShippedEncoder:
    """Read the shipped encoder.

    Parameters
    ----------
    load : callable
        Reads a checkpoint.

    Raises
    ------
    CheckpointError
        As `load_encoder`, or if the axes cannot be read.
    """
    encoder = load(SHIPPED_CHECKPOINT)
    try:
        return ShippedEncoder(encoder, load_file(SHIPPED_AXES))
    except (OSError, SafetensorError, KeyError) as error:
        raise CheckpointError(f"the axes {SHIPPED_AXES} cannot be read: {error}") from error

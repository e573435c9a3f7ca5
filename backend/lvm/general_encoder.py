"""The general network of the shipped encoder: it computes few views of an image, and projects them on fewer axes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from backend.lvm.checkpoint_files import CheckpointError
from backend.lvm.encoder import Encoder
from backend.lvm.openvino_encoder import load_fastest_encoder
from backend.lvm.shipped_names import GENERAL_AXES, GENERAL_CHECKPOINT, TURNS

__all__ = ["GeneralEncoder", "load_general_encoder"]


class GeneralEncoder:
    """The general network; its embeddings are projected on fewer axes.

    A head standardises all columns. With as many columns as the first network's, the general network's would weigh as much, and
    heads with few labels of Galaxy Zoo's questions would be worse. The axes are principal axes, rotated at random, so that all
    have about the same variance.

    Parameters
    ----------
    encoder : Encoder
    mean : Tensor, shape (d,)
        Mean embedding.
    axes : Tensor, shape (d, k)
        Axes as columns, divided by the scale of each number of an embedding.
    """

    def __init__(self, encoder: Encoder, mean: Tensor, axes: Tensor) -> None:
        self._encoder, self._mean, self._axes = encoder, mean, axes

    @property
    def numerics(self) -> str:
        """Name of its arithmetic in cache keys."""
        return self._encoder.numerics

    @property
    def dimension(self) -> int:
        """Length of an embedding."""
        return self._axes.shape[1]

    @property
    def image_px(self) -> int:
        """Side of its images, pixels."""
        return self._encoder.image_px

    @torch.inference_mode()
    def embed(self, images: Tensor) -> Tensor:
        """Embed images; see `Embedder.embed`."""
        return (self._encoder.embed(images, turns=TURNS) - self._mean) @ self._axes


def load_general_encoder(load: Callable[[Path], Encoder] = load_fastest_encoder) -> GeneralEncoder:
    """Read the general network.

    Parameters
    ----------
    load : callable
        Reads a checkpoint.

    Raises
    ------
    CheckpointError
        As `load_encoder`, or if the axes cannot be read.
    """
    encoder = load(GENERAL_CHECKPOINT)
    try:
        axes = load_file(GENERAL_AXES)
        return GeneralEncoder(encoder, axes["mean"].float(), axes["axes"].float())
    except (OSError, SafetensorError, KeyError) as error:
        raise CheckpointError(f"the axes {GENERAL_AXES} cannot be read: {error}") from error

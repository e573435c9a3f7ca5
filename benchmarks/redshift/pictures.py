"""Inputs from display pictures: embeddings of the shipped encoder, and what an astronomer would put in columns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from backend.images.local import LocalImageStore
from backend.lvm.checkpoint import SHIPPED_CHECKPOINT, fingerprint, load_encoder
from backend.lvm.embeddings import Embeddings
from sync.files.cache import MemoryCache

__all__ = ["colours_of", "embed"]


def embed(files: Sequence[Path]) -> NDArray[np.float32]:
    """Return the embeddings of images, shape (n, d)."""
    source = Embeddings(
        load_encoder(SHIPPED_CHECKPOINT), MemoryCache(max_bytes=2**28), fingerprint=fingerprint(SHIPPED_CHECKPOINT)
    )
    store = LocalImageStore(max_bytes=10**7, max_pixels=10**7)
    return np.stack([row for start in range(0, len(files), 32) for row in source.of(
        [store.open(str(file)) for file in files[start : start + 32]]
    )])  # fmt: skip


def colours_of(file: Path) -> dict[str, float]:
    """Return a brightness, two colours, and the concentration of the galaxy in the middle of a picture.

    The pictures have no calibrated magnitudes; these columns are what a catalogue would measure on them.
    """
    pixels = np.asarray(Image.open(file).convert("RGB"), np.float64) / 255
    height, width = pixels.shape[:2]
    rows, columns = np.mgrid[:height, :width]
    radius = np.hypot(rows - height / 2 + 0.5, columns - width / 2 + 0.5)
    sky = np.median(pixels[radius > 0.45 * width], axis=0)
    light = np.maximum(pixels - sky, 0)
    inner, outer = (light[radius < share * width].sum(axis=0) + 1e-3 for share in (0.1, 0.35))
    magnitudes = -2.5 * np.log10(outer)
    return {
        "mag_blue": float(magnitudes[2]),
        "mag_green": float(magnitudes[1]),
        "mag_red": float(magnitudes[0]),
        "concentration": float(inner.sum() / outer.sum()),
        "inner_colour": float(-2.5 * np.log10(inner[2] / inner[0])),
    }

"""Sources as bytes and back, for the cache: a list of sources is small, finding it again costs many milliseconds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from safetensors.numpy import load, save

from backend.heads.extraction.extract import Source
from backend.heads.extraction.features import FEATURES
from sync.geometry.shapes import Box, Ellipse, Size

__all__ = ["ARCHIVE_VERSION", "pack", "unpack"]

ARCHIVE_VERSION = "1"
"""Counted up when extraction finds other sources with the same settings, or when the format changes."""


def pack(size: Size, sources: Sequence[Source]) -> bytes:
    """Write the sources of an image of `size` (width, height)."""
    numbers = [
        [one.number, *_floats(one.box), *_floats(one.ellipse), *one.corner, *one.crop.shape, one.flux, one.peak, one.snr]
        for one in sources
    ]
    bits = [np.packbits(one.crop) for one in sources]
    return save(
        {
            "size": np.array(size, np.int64),
            "numbers": np.array(numbers, np.float64).reshape(len(sources), 18),
            "features": np.array([one.features for one in sources], np.float32).reshape(len(sources), len(FEATURES)),
            "crops": np.concatenate(bits) if bits else np.empty(0, np.uint8),
        }
    )


def unpack(content: bytes) -> tuple[Size, tuple[Source, ...]]:
    """Read what `pack` wrote: the image's size and its sources."""
    tensors = load(content)
    width, height = (int(side) for side in tensors["size"])
    sources, start = [], 0
    for numbers, features in zip(tensors["numbers"].tolist(), tensors["features"], strict=True):
        crop_height, crop_width = int(numbers[13]), int(numbers[14])
        end = start + (crop_height * crop_width + 7) // 8
        crop = np.unpackbits(tensors["crops"][start:end], count=crop_height * crop_width)
        sources.append(
            Source(
                number=int(numbers[0]),
                box=Box(*numbers[1:6]),
                ellipse=Ellipse(*numbers[6:11]),
                crop=crop.reshape(crop_height, crop_width).astype(bool),
                corner=(int(numbers[11]), int(numbers[12])),
                flux=numbers[15],
                peak=numbers[16],
                snr=numbers[17],
                features=features,
            )
        )
        start = end
    return (width, height), tuple(sources)


def _floats(shape: Box | Ellipse) -> list[float]:
    if isinstance(shape, Box):
        return [shape.x, shape.y, shape.width, shape.height, shape.rotation]
    return [shape.x, shape.y, shape.radius_x, shape.radius_y, shape.rotation]

"""Serialisation of sources for the cache: a list of sources is small, and extraction takes about 100 ms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from backend.heads.extraction.features import FEATURES
from backend.heads.extraction.source import Source
from sync.geometry.shapes import Box, Ellipse, Size

__all__ = ["ARCHIVE_VERSION", "pack", "unpack"]

ARCHIVE_VERSION = "3"
"""Part of the cache key: increase it when the same settings give other sources, or when the format changes."""
BOX = ("x", "y", "width", "height", "rotation")
ELLIPSE = ("x", "y", "radius_x", "radius_y", "rotation")
LIGHT = ("flux", "peak", "snr", "galaxy_probability")


def pack(size: Size, sources: Sequence[Source]) -> bytes:
    """Serialise the sources of an image of `size` (width, height), with one tensor per field and one row per source."""
    bits = [np.packbits(source.crop) for source in sources]
    rows: dict[str, NDArray[Any]] = {
        "box": _table([[getattr(source.box, name) for name in BOX] for source in sources], len(BOX)),
        "ellipse": _table([[getattr(source.ellipse, name) for name in ELLIPSE] for source in sources], len(ELLIPSE)),
        "light": _table([[getattr(source, name) for name in LIGHT] for source in sources], len(LIGHT)),
        "features": _table([source.features for source in sources], len(FEATURES)).astype(np.float32),
        "corner": _table([source.corner for source in sources], 2).astype(np.int64),
        "crop_shape": _table([source.crop.shape for source in sources], 2).astype(np.int64),
        "number": np.array([source.number for source in sources], np.int64),
    }
    crop_bits = np.concatenate(bits) if bits else np.empty(0, np.uint8)
    return save({"size": np.array(size, np.int64), **rows, "crop_bits": crop_bits})


def unpack(content: bytes) -> tuple[Size, tuple[Source, ...]]:
    """Return the size of the image and the sources that `pack` serialised."""
    tensors = load(content)
    width, height = (int(side) for side in tensors["size"])
    shapes = tensors["crop_shape"]
    ends = np.cumsum((shapes.prod(axis=1) + 7) // 8)
    bits = np.split(tensors["crop_bits"], ends[:-1]) if len(ends) else []
    sources = (
        Source(
            number=int(tensors["number"][row]),
            box=Box(*tensors["box"][row].tolist()),
            ellipse=Ellipse(*tensors["ellipse"][row].tolist()),
            crop=np.unpackbits(bits[row], count=int(shapes[row].prod())).reshape(shapes[row]).astype(bool),
            corner=(int(tensors["corner"][row, 0]), int(tensors["corner"][row, 1])),
            features=tensors["features"][row],
            **dict(zip(LIGHT, tensors["light"][row].tolist(), strict=True)),
        )
        for row in range(len(shapes))
    )
    return (width, height), tuple(sources)


def _table(rows: Sequence[Any], columns: int) -> NDArray[np.float64]:
    return np.array(rows, np.float64).reshape(len(rows), columns)

"""A window encoder that encodes each window of one image once, for many clicks on its objects."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backend.heads.segmentation.window_features import WindowEncoder, WindowFeatures
from backend.lvm.tiles import Tile
from sync.geometry.shapes import Size

__all__ = ["RememberedWindows"]


class RememberedWindows:
    """A window encoder that encodes each window of one image once."""

    def __init__(self, encoder: WindowEncoder) -> None:
        self._encoder = encoder
        self._features: dict[Tile, WindowFeatures] = {}
        self.fingerprint, self.shown_px = encoder.fingerprint, encoder.shown_px

    def sides(self, size: Size) -> tuple[int, ...]:
        return self._encoder.sides(size)

    def encode(self, pixels: NDArray[np.float32], window: Tile) -> WindowFeatures:
        if window not in self._features:
            self._features[window] = self._encoder.encode(pixels, window)
        return self._features[window]

"""The large vision model as a window encoder: its feature maps of a window, and the window's own pixels."""

from __future__ import annotations

import weakref
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtri
from torch import Tensor
from torch.nn import functional

from backend.heads.segmentation.network import SegmenterConfig
from backend.heads.segmentation.window_features import WindowFeatures
from backend.heads.segmentation.windows import halving
from backend.lvm.encoder import Encoder
from backend.lvm.tiles import Tile, cut
from sync.geometry.shapes import Size

__all__ = ["LvmWindows", "Sky", "above_sky", "shown"]

GREY_LEVEL = 1 / 255
SKY_PIXELS = 65536
"""Sky is measured on about so many pixels, evenly spread."""
DARK_QUANTILES = (0.1, 0.25)
"""Of the pixels: how far apart the two lie tells the noise of a sky that is normally distributed."""
FINEST_STRIDE_PX = 8
"""The finest map has a cell for each of the decoder's; a finer one would only cost disk: the light shows what is small."""


@dataclass(frozen=True, slots=True)
class Sky:
    """Brightness of a picture's sky and its noise (at least one grey level)."""

    level: float
    noise: float

    @classmethod
    def of(cls, pixels: NDArray[np.float32]) -> Sky:
        """Measure the sky of a picture, shape (height, width, 3), at its dark end: a galaxy may fill half of a cut-out."""
        step = max(1, int(np.sqrt(pixels.shape[0] * pixels.shape[1] / SKY_PIXELS)))
        grey = np.nan_to_num(pixels[::step, ::step].mean(axis=2, dtype=np.float32), nan=0.0, posinf=1.0, neginf=0.0)
        low, high = (float(one) for one in np.quantile(grey, DARK_QUANTILES))
        below, above = (-float(ndtri(one)) for one in DARK_QUANTILES)
        noise = max((high - low) / (below - above), GREY_LEVEL)
        return cls(high + above * noise if high > 0 else high, noise)


class LvmWindows:
    """The shipped encoder, for windows.

    Parameters
    ----------
    encoder : Encoder
        Frozen.
    fingerprint : str
        Names its weights.
    """

    shown_px = 256

    def __init__(self, encoder: Encoder, *, fingerprint: str) -> None:
        self._encoder = encoder
        self.fingerprint = fingerprint
        self._measured: tuple[weakref.ref[NDArray[np.float32]], Sky] | None = None
        self._kept = [index for index, stride in enumerate(encoder.config.strides) if stride >= FINEST_STRIDE_PX]

    @property
    def config(self) -> SegmenterConfig:
        """Of a network that reads what this sees."""
        return SegmenterConfig(tuple(self._encoder.config.channels[index] for index in self._kept))

    def sides(self, size: Size) -> tuple[int, ...]:
        """Sides of the windows of a picture of `size` (width, height), pixels, the largest first."""
        return halving(size)

    @torch.no_grad()
    def encode(self, pixels: NDArray[np.float32], window: Tile) -> WindowFeatures:
        """Feature maps of one window of a picture, shape (height, width, 3), and its light."""
        seen = shown(pixels, window, side=self.shown_px)
        levels = self._encoder.pyramid(seen)
        return (*(levels[index] for index in self._kept), self._light(seen, self._sky(pixels)))

    def _sky(self, pixels: NDArray[np.float32]) -> Sky:
        """The sky of a picture, measured once for its windows, which mostly come one after another."""
        measured = self._measured
        if measured is None or measured[0]() is not pixels:
            measured = weakref.ref(pixels), Sky.of(pixels)
            self._measured = measured
        return measured[1]

    def _light(self, seen: Tensor, sky: Sky) -> Tensor:
        """Pixels as the neck gets them, one for each point of a mask: shape (1, 4, points, points).

        Three colours with the square root that the encoder, too, sees; and how far the mean stands above the sky, in its noise,
        squeezed by asinh, so that an outline means the same in a deep picture and in a shallow one.
        """
        coarse = functional.avg_pool2d(seen.clamp(min=0), self.shown_px // self.config.points)
        return torch.cat([coarse.sqrt(), above_sky(coarse, sky)], dim=1)


def above_sky(coarse: Tensor, sky: Sky) -> Tensor:
    """How far colours, shape (1, 3, n, n), stand above the sky in its noise, squeezed by asinh: shape (1, 1, n, n)."""
    return torch.asinh((coarse.mean(dim=1, keepdim=True) - sky.level) / sky.noise)


def shown(pixels: NDArray[np.float32], window: Tile, *, side: int) -> Tensor:
    """A window of a picture as it is looked at, shape (1, 3, side, side); black where the picture ends."""
    image = cut(pixels, window)[..., :side, :side]
    return functional.pad(image, (0, side - image.shape[-1], 0, side - image.shape[-2]))

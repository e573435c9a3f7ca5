"""The large vision model as a window encoder: its feature maps of a window, and the pixels of the window."""

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
from backend.heads.segmentation.windows import halve_sides
from backend.lvm.encoder import Encoder
from backend.lvm.tiles import Tile, cut
from sync.geometry.shapes import Size

__all__ = ["LvmWindows", "SkyLevel", "above_sky", "scale_window"]

GREY_LEVEL = 1 / 255
SKY_PIXELS = 65536
"""Approximate number of evenly spaced pixels with which the sky is measured."""
DARK_QUANTILES = (0.1, 0.25)
"""Quantiles of the pixels, whose difference gives the noise of a normally distributed sky."""
FINEST_STRIDE_PX = 8
"""Finest stride of the feature maps, that of the decoder's cells; finer maps would cost disk space, and the pixels of
the window resolve small objects."""


@dataclass(frozen=True, slots=True)
class SkyLevel:
    """Brightness of the sky of an image and its noise (at least one grey level)."""

    level: float
    noise: float

    @classmethod
    def of(cls, pixels: NDArray[np.float32]) -> SkyLevel:
        """Measure the sky of an image, shape (height, width, 3), by its darkest quarter: a galaxy can fill half of it."""
        step = max(1, int(np.sqrt(pixels.shape[0] * pixels.shape[1] / SKY_PIXELS)))
        grey = np.nan_to_num(pixels[::step, ::step].mean(axis=2, dtype=np.float32), nan=0.0, posinf=1.0, neginf=0.0)
        low, high = np.quantile(grey, DARK_QUANTILES).tolist()
        below, above = (-float(ndtri(quantile)) for quantile in DARK_QUANTILES)
        noise = max((high - low) / (below - above), GREY_LEVEL)
        return cls(high + above * noise if high > 0 else high, noise)


class LvmWindows:
    """The shipped encoder as a window encoder.

    Parameters
    ----------
    encoder : Encoder
        Frozen.
    fingerprint : str
        Hash of the weights of the encoder.
    """

    shown_px = 256

    def __init__(self, encoder: Encoder, *, fingerprint: str) -> None:
        self._encoder = encoder
        self.fingerprint = fingerprint
        self._sky_of_image: tuple[weakref.ref[NDArray[np.float32]], SkyLevel] | None = None
        self._levels = [index for index, stride in enumerate(encoder.config.strides) if stride >= FINEST_STRIDE_PX]

    @property
    def config(self) -> SegmenterConfig:
        """Shape of a network for these features."""
        return SegmenterConfig(tuple(self._encoder.config.channels[index] for index in self._levels))

    def sides(self, size: Size) -> tuple[int, ...]:
        """Return the sides of the windows of an image of `size` (width, height), pixels, the largest first."""
        return halve_sides(size)

    @torch.no_grad()
    def encode(self, pixels: NDArray[np.float32], window: Tile) -> WindowFeatures:
        """Return the feature maps of one window of an image, shape (height, width, 3), and its pixels (`_light`)."""
        window_pixels = scale_window(pixels, window, side=self.shown_px)
        levels = self._encoder.pyramid(window_pixels)
        return (*(levels[index] for index in self._levels), self._light(window_pixels, self._sky(pixels)))

    def _sky(self, pixels: NDArray[np.float32]) -> SkyLevel:
        """Return the sky of an image; that of the last image is cached, since its windows are mostly encoded in sequence."""
        image_and_sky = self._sky_of_image
        if image_and_sky is None or image_and_sky[0]() is not pixels:
            image_and_sky = weakref.ref(pixels), SkyLevel.of(pixels)
            self._sky_of_image = image_and_sky
        return image_and_sky[1]

    def _light(self, window_pixels: Tensor, sky: SkyLevel) -> Tensor:
        """Return the pixels for the neck, one per point of the grid, shape (1, 4, points, points).

        The first three planes are the square roots of the colours, as in the encoder. The fourth is the asinh of their mean
        above the sky, in units of the noise, which makes outlines comparable between deep and shallow images.
        """
        coarse = functional.avg_pool2d(window_pixels.clamp(min=0), self.shown_px // self.config.points)
        return torch.cat([coarse.sqrt(), above_sky(coarse, sky)], dim=1)


def above_sky(coarse: Tensor, sky: SkyLevel) -> Tensor:
    """Return the asinh of the mean of the colours, shape (1, 3, n, n), above the sky, in units of its noise: (1, 1, n, n)."""
    return torch.asinh((coarse.mean(dim=1, keepdim=True) - sky.level) / sky.noise)


def scale_window(pixels: NDArray[np.float32], window: Tile, *, side: int) -> Tensor:
    """Return a window of an image, scaled for the encoder, shape (1, 3, side, side); black outside the image."""
    image = cut(pixels, window)[..., :side, :side]
    return functional.pad(image, (0, side - image.shape[-1], 0, side - image.shape[-2]))

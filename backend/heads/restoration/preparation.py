"""Inputs of the restorer: an image without sky and missing pixels in units of its noise, and a PSF that suits it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter
from torch import Tensor

from backend.heads.restoration.missing import fill_missing
from backend.heads.restoration.noise import measure_noise
from backend.heads.restoration.target import TARGET_FWHM_PX, psf_widths
from backend.heads.restoration.tiles import Window
from backend.heads.structure.psf import Psf, PsfError, require_fit
from sync.errors.images import ImageError
from sync.images.background import clipped_background, sorted_sample

__all__ = ["PreparedImage", "check_kernel", "measure_tiles", "prepare"]

NEGATIVE_PX, LEAST_SIGNIFICANCE = 5, 25.0
"""Side of the square, pixels, whose mean brightness is compared with the noise of white noise, and what counts as a source."""
WIDEST_PSF_PX = 8.0
"""Largest FWHM of a PSF, pixels: the network was trained up to 7."""


@dataclass(frozen=True, slots=True, eq=False)
class PreparedImage:
    """An image without sky and missing pixels; `pixels` and `noise` are divided by `unit`."""

    pixels: NDArray[np.float32]
    sky: float
    unit: float
    noise: float
    missing: NDArray[np.bool_]
    saturated_px: int


def prepare(image: NDArray[np.floating], *, saturation: float | None) -> PreparedImage:
    """Subtract the sky, fill missing pixels, and measure the noise."""
    valid = np.isfinite(image)
    if not valid.any():
        raise ImageError("the image has no valid pixel: all are NaN or infinite")
    sky = clipped_background(sorted_sample(image))
    image_without_gaps = fill_missing(image, sky=sky.level, noise=sky.noise, saturation=saturation)
    # In units of the noise: squares of values such as 1e25 or 1e-30 are outside the range of 32-bit floats.
    unit = sky.noise if 0 < sky.noise < np.inf else 1.0
    with np.errstate(over="ignore", invalid="ignore"):
        pixels = ((image_without_gaps.pixels - sky.level) / unit).astype(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        in_range = bool(np.isfinite(np.square(pixels).sum()))
    if not in_range:
        raise ImageError("the image has values beyond the range of 32-bit floats, in units of its noise")
    noise = float(measure_noise(torch.from_numpy(pixels)[None], valid=torch.from_numpy(~image_without_gaps.missing)[None]))
    if not np.isfinite(noise) or noise <= 0:
        raise ImageError("the noise of the image cannot be measured: most of its pixels are equal or missing")
    _reject_negative(pixels, noise)
    return PreparedImage(pixels, sky.level, unit, noise, image_without_gaps.missing, image_without_gaps.saturated_px)


def _reject_negative(pixels: NDArray[np.float32], noise: float) -> None:
    """Reject an image whose most significant source is darker than the sky, which no training image has."""
    significance = uniform_filter(pixels, NEGATIVE_PX, mode="nearest") * (NEGATIVE_PX / noise)
    darkest, brightest = -float(significance.min()), float(significance.max())
    if darkest > max(LEAST_SIGNIFICANCE, brightest):
        raise ImageError(
            "the most significant source of the image is darker than the sky: the sign of the image is wrong, or missing "
            "pixels have a value and must be NaN"
        )


def check_kernel(psf: Psf, shape: tuple[int, ...]) -> Tensor:
    """Return the pixels of a PSF that can be used for an image of this shape, shape (1, k, k), with unit sum."""
    require_fit(psf, shape)
    half = min(psf.pixels.shape[0] // 2, (min(shape) - 1) // 2)
    middle = psf.pixels.shape[0] // 2
    inside = slice(middle - half, middle + half + 1)
    pixels = psf.pixels[inside, inside]
    kernel = torch.from_numpy((pixels / pixels.sum()).astype(np.float32))[None]
    width = float(psf_widths(kernel))
    if width < TARGET_FWHM_PX:
        raise PsfError(
            f"the PSF has a width (FWHM) of {width:.2f} pixels, and a restored image has {TARGET_FWHM_PX:g}: nothing can be "
            "sharpened; --denoise removes the noise"
        )
    if width > WIDEST_PSF_PX:
        raise PsfError(f"the PSF has a width (FWHM) of {width:.1f} pixels: bin the image to have at most {WIDEST_PSF_PX:g}")
    return kernel


def measure_tiles(tiles: Tensor, preparation: PreparedImage, windows: list[Window]) -> Tensor:
    """Return the noise of each tile, since it differs within a mosaic; that of the image if a tile has few valid pixels."""
    valid = torch.from_numpy(np.stack([~preparation.missing[window] for window in windows]))
    noise = measure_noise(tiles, valid=valid)
    return torch.where(torch.isfinite(noise) & (noise > 0), noise, preparation.noise)

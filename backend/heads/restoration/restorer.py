"""The restorer: from an observed image and its PSF to the restored image and its uncertainty."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backend.heads.errors import HeadError
from backend.heads.network_weights import arrays_of, restore, round_weights
from backend.heads.restoration.missing import fill_missing
from backend.heads.restoration.network import FORMS, Restoring
from backend.heads.restoration.noise import measure_noise
from backend.heads.restoration.support import STEPS, unbias_flux
from backend.heads.restoration.target import TARGET_FWHM_PX, psf_widths
from backend.heads.restoration.tikhonov import deconvolve
from backend.heads.restoration.tiles import Window, blend, tiles_of
from backend.heads.storage import read, write
from backend.heads.structure.psf import Psf, PsfError, require_fit
from sync.errors.images import ImageError
from sync.images.background import clipped_background, sorted_sample

__all__ = ["SHIPPED_RESTORER", "Restoration", "Restorer"]

SHIPPED_RESTORER = Path(__file__).parents[1] / "weights" / "restoration"
WIDEST_PSF_PX = 8.0
"""Largest FWHM of a PSF, pixels: the network was trained up to 7."""
FEWEST_PX = 16
"""Smallest side of an image, pixels."""
BATCH = 16
BRIGHTEST = 600.0
"""Signal-to-noise ratio of the brightest images of the training: brighter ones are restored as if they had more noise."""


@dataclass(frozen=True, slots=True, eq=False)
class Restoration:
    """A restored image.

    Attributes
    ----------
    image, uncertainty : ndarray, shape (height, width)
        Restored brightness with the sky of the input, and its standard deviation, in the unit of the input; NaN where the
        input has no value or is saturated.
    noise : float
        Measured standard deviation of the noise of the input.
    psf_fwhm_px : float or None
        Measured width of the given PSF; None where only noise was removed.
    missing, saturated : int
        Number of pixels that are NaN, and how many of them are saturated.
    """

    image: NDArray[np.float64]
    uncertainty: NDArray[np.float64]
    noise: float
    psf_fwhm_px: float | None
    missing: int
    saturated: int


@dataclass(frozen=True, slots=True, eq=False)
class _Prepared:
    """An image without sky and missing pixels; `pixels` and `noise` are divided by `unit`."""

    pixels: NDArray[np.float32]
    sky: float
    unit: float
    noise: float
    missing: NDArray[np.bool_]
    saturated: int


class Restorer:
    """Restores images by a Tikhonov filter, a network, and steps that make the flux unbiased.

    Parameters
    ----------
    network : Restoring
    spread : float
        Factor of the network's standard deviations with which they cover 68 % of the errors on validation images.
    steps : int
        Steps of `unbias_flux`.
    """

    def __init__(self, network: Restoring, *, spread: float = 1.0, steps: int = STEPS) -> None:
        self.network = network.eval()
        self.spread = spread
        self.steps = steps

    @torch.inference_mode()
    def restore_tensors(self, images: Tensor, psfs: Tensor | None, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Restore images of one size without sky; return the restored images and their standard deviations.

        Parameters
        ----------
        images : Tensor, shape (n, h, w)
            Finite.
        psfs : Tensor, shape (n, k, k), or None
            With unit sums; None removes noise only.
        noise : Tensor, shape (n,)
        """
        width = torch.zeros(len(images)) if psfs is None else psf_widths(psfs)
        noise_for_network = torch.maximum(noise, torch.linalg.vector_norm(images, dim=(1, 2)) / BRIGHTEST)
        filter_result = deconvolve(images, psfs, noise_for_network)
        restoration = self.network(images, filter_result, noise_for_network, width)
        return unbias_flux(restoration.mean, images, psfs, noise, steps=self.steps), self.spread * restoration.std

    def restore(self, image: NDArray[np.floating], psf: Psf | None, *, saturation: float | None = None) -> Restoration:
        """Restore an image; without a PSF, only remove its noise.

        Parameters
        ----------
        image : ndarray, shape (height, width)
            Linear brightness in any unit; NaN and infinity mark missing pixels.
        psf : Psf or None
        saturation : float or None
            Brightness from which pixels are saturated; None detects plateaus at the maximum.

        Raises
        ------
        ImageError
            If the image is too small or has no measurable noise.
        PsfError
            If the PSF is larger than the image, narrower than the target, or wider than those of the training.
        """
        if min(image.shape) < FEWEST_PX:
            height, width = image.shape
            raise ImageError(f"the image has {width}x{height} pixels: each side must have at least {FEWEST_PX} to be restored")
        kernel = None if psf is None else _checked_kernel(psf, image.shape)
        preparation = _prepare(image, saturation=saturation)
        windows = tiles_of(preparation.pixels.shape)
        restoration, spread = [], []
        for first in range(0, len(windows), BATCH):
            batch = torch.from_numpy(np.stack([preparation.pixels[window] for window in windows[first : first + BATCH]]))
            psfs = None if kernel is None else kernel.expand(len(batch), -1, -1)
            mean, std = self.restore_tensors(batch, psfs, _noise_of_tiles(batch, preparation, windows[first : first + BATCH]))
            restoration += list(mean.numpy())
            spread += list(std.numpy())
        brightness, uncertainty = (blend(preparation.pixels.shape, windows, results) for results in (restoration, spread))
        brightness, uncertainty = preparation.unit * brightness + preparation.sky, preparation.unit * uncertainty
        brightness[preparation.missing] = uncertainty[preparation.missing] = np.nan
        return Restoration(
            brightness,
            uncertainty,
            noise=preparation.unit * preparation.noise,
            psf_fwhm_px=None if kernel is None else float(psf_widths(kernel)),
            missing=int(np.count_nonzero(preparation.missing)),
            saturated=preparation.saturated,
        )

    def save(self, folder: Path) -> None:
        """Write the restorer into a folder."""
        config = self.network.config
        fields = {
            "form": config.form,
            "config": asdict(config),
            "target_fwhm_px": TARGET_FWHM_PX,
            "spread": self.spread,
            "steps": self.steps,
        }
        write(folder, head="restoration", fields=fields, arrays=arrays_of(round_weights(self.network)))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a restorer from a folder.

        Raises
        ------
        HeadError
            If a file is missing or damaged.
        """
        record = read(folder, head="restoration")
        form, spread, steps = record.field("form", str), record.field("spread", float), record.field("steps", int)
        if form not in FORMS or record.field("target_fwhm_px", float) != TARGET_FWHM_PX:
            raise HeadError(f"the restorer in {folder} has an unknown form {form!r} or another target than {TARGET_FWHM_PX} px")
        make, _ = FORMS[form]
        config = record.build("config", lambda fields: make(**{name: _frozen(value) for name, value in fields.items()}))
        return cls(restore(Restoring(config), record), spread=spread, steps=steps)


def _noise_of_tiles(tiles: Tensor, preparation: _Prepared, windows: list[Window]) -> Tensor:
    """Return the noise of each tile, since it differs within a mosaic; that of the image if a tile has few valid pixels."""
    valid = torch.from_numpy(np.stack([~preparation.missing[window] for window in windows]))
    noise = measure_noise(tiles, valid=valid)
    return torch.where(torch.isfinite(noise) & (noise > 0), noise, preparation.noise)


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _checked_kernel(psf: Psf, shape: tuple[int, ...]) -> Tensor:
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


def _prepare(image: NDArray[np.floating], *, saturation: float | None) -> _Prepared:
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
    return _Prepared(pixels, sky.level, unit, noise, image_without_gaps.missing, image_without_gaps.saturated)

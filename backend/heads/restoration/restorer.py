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
from backend.heads.restoration.network import FORMS, MEDIUM, SMOOTH, Restoring
from backend.heads.restoration.preparation import check_kernel, measure_tiles, prepare
from backend.heads.restoration.shipped import SHIPPED_RESTORER, network_fingerprint
from backend.heads.restoration.spread import SpreadFactors
from backend.heads.restoration.support import STEPS, unbias_flux
from backend.heads.restoration.target import TARGET_FWHM_PX, psf_widths
from backend.heads.restoration.tikhonov import deconvolve
from backend.heads.restoration.tiles import blend, tiles_of
from backend.heads.storage import read, write
from backend.heads.structure.psf import Psf
from sync.errors.images import ImageError

__all__ = ["SHIPPED_RESTORER", "Restoration", "Restorer"]

UNCHANGED = SpreadFactors()
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
        Measured width of the PSF; None where only noise was removed.
    psf_source : str
        Where the PSF comes from, one of `SOURCES` of `backend.heads.structure.psf`; "none" where only noise was removed.
    missing_px, saturated_px : int
        Number of pixels that are NaN, and how many of them are saturated.
    """

    image: NDArray[np.float64]
    uncertainty: NDArray[np.float64]
    noise: float
    psf_fwhm_px: float | None
    missing_px: int
    saturated_px: int
    psf_source: str = "none"


class Restorer:
    """Restores images by a Tikhonov filter, a network, and steps that make the flux unbiased.

    Parameters
    ----------
    network : Restoring
    spread : SpreadFactors
        Factors of the network's standard deviations with which they cover 68 % of the errors on validation images.
    steps : int
        Steps of `unbias_flux`.
    share : float
        Share of the network's correction that is applied, 0 to 1; 0 is the Tikhonov filter alone.
    fingerprint : str
        Fingerprint of the stored network; empty for one that was not read from a folder.
    """

    def __init__(
        self,
        network: Restoring,
        *,
        spread: SpreadFactors = UNCHANGED,
        steps: int = STEPS,
        share: float = 1.0,
        fingerprint: str = "",
    ) -> None:
        self.network = network.eval()
        self.spread = spread
        self.steps = steps
        self.share = share
        self.fingerprint = fingerprint

    def with_share(self, share: float) -> Restorer:
        """Return a restorer with the same network that applies another share of its correction."""
        return Restorer(self.network, spread=self.spread, steps=self.steps, share=share, fingerprint=self.fingerprint)

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
        mean = torch.lerp(filter_result.images[:, MEDIUM], restoration.mean, self.share)
        mean = unbias_flux(mean, images, psfs, noise, steps=self.steps)
        significance = filter_result.images[:, SMOOTH] / filter_result.noise[:, SMOOTH, None, None]
        std = self.spread.scale(restoration.std, significance)
        return mean, torch.lerp(filter_result.noise[:, MEDIUM, None, None].expand_as(std), std, self.share)

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
        kernel = None if psf is None else check_kernel(psf, image.shape)
        preparation = prepare(image, saturation=saturation)
        windows = tiles_of(preparation.pixels.shape)
        restoration, spread = [], []
        for first in range(0, len(windows), BATCH):
            batch = torch.from_numpy(np.stack([preparation.pixels[window] for window in windows[first : first + BATCH]]))
            psfs = None if kernel is None else kernel.expand(len(batch), -1, -1)
            mean, std = self.restore_tensors(batch, psfs, measure_tiles(batch, preparation, windows[first : first + BATCH]))
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
            missing_px=int(np.count_nonzero(preparation.missing)),
            saturated_px=preparation.saturated_px,
            psf_source="none" if psf is None else psf.source,
        )

    def save(self, folder: Path) -> None:
        """Write the restorer into a folder."""
        config = self.network.config
        fields = {
            "form": config.form,
            "config": asdict(config),
            "target_fwhm_px": TARGET_FWHM_PX,
            "spread": self.spread.as_json(),
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
        form, steps = record.field("form", str), record.field("steps", int)
        if isinstance(record.fields.get("spread"), float):  # one factor for all pixels, as earlier releases stored it
            spread = SpreadFactors((1.0,), (record.field("spread", float),))
        else:
            spread = record.build("spread", SpreadFactors.from_json)
        if form not in FORMS or record.field("target_fwhm_px", float) != TARGET_FWHM_PX:
            raise HeadError(f"the restorer in {folder} has an unknown form {form!r} or another target than {TARGET_FWHM_PX} px")
        make, _ = FORMS[form]
        config = record.build("config", lambda fields: make(**{name: _frozen(value) for name, value in fields.items()}))
        network = restore(Restoring(config), record)
        return cls(network, spread=spread, steps=steps, fingerprint=network_fingerprint(folder))


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value

"""Restoration methods to compare, each at the target resolution: the shipped restorer and filters of scikit-image."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.restoration import richardson_lucy, unsupervised_wiener, wiener

from backend.heads.restoration.noise import measure_noise
from backend.heads.restoration.restorer import Restorer
from backend.heads.restoration.target import target_transfer
from backend.heads.restoration.tikhonov import PADDING_PX, deconvolve
from benchmarks.restoration.observing import Observed

__all__ = ["BALANCES", "ITERATIONS", "Answer", "Method", "restored_by", "richardson_lucy_with", "tikhonov", "wiener_with"]

BALANCES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
"""Balances of skimage's Wiener filter, in units of the squared noise over the mean squared brightness."""
ITERATIONS = (3, 5, 10, 20, 40, 80)

Image = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """Restored images, shape (n, h, w), and their standard deviations where the method has them."""

    images: NDArray[np.floating]
    spread: NDArray[np.floating] | None = None


Method = Callable[[Observed], Answer]


def restored_by(restorer: Restorer) -> Method:
    """Return the product's method."""

    def restore(observation: Observed) -> Answer:
        mean, spread = restorer.restore_tensors(observation.images, observation.psfs, measure_noise(observation.images))
        return Answer(mean.numpy(), spread.numpy())

    return restore


def tikhonov(observation: Observed) -> Answer:
    """Deconvolve with the first step of the product alone: a Tikhonov filter whose weight minimises SURE."""
    return Answer(deconvolve(observation.images, observation.psfs, measure_noise(observation.images)).images[:, 1].numpy())


def wiener_with(balance: float | None) -> Method:
    """Return skimage's Wiener filter with a balance; None is its unsupervised form."""

    def restore(observation: Observed) -> Answer:
        noise = measure_noise(observation.images).numpy()
        return Answer(np.stack([_wiener(*each, balance) for each in _pairs(observation, noise)]))

    return restore


def richardson_lucy_with(iterations: int) -> Method:
    """Return skimage's Richardson-Lucy deconvolution; a pedestal keeps the brightness positive, as the method requires."""

    def restore(observation: Observed) -> Answer:
        noise = measure_noise(observation.images).numpy()
        return Answer(np.stack([_richardson_lucy(*each, iterations) for each in _pairs(observation, noise)]))

    return restore


def _pairs(observation: Observed, noise: NDArray[np.float32]) -> Sequence[tuple[Image, Image, float]]:
    images = [np.pad(image.numpy().astype(float), PADDING_PX, mode="reflect") for image in observation.images]
    return list(zip(images, (psf.numpy().astype(float) for psf in observation.psfs), noise.tolist(), strict=True))


def _wiener(image: Image, psf: Image, noise: float, balance: float | None) -> Image:
    scale = float(np.abs(image).max())
    if balance is None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sharp, _ = unsupervised_wiener(image / scale, psf, clip=False, rng=0)
    else:
        relative = noise**2 / max(float(np.mean(image**2)), noise**2)
        sharp = wiener(image / scale, psf, balance * relative, clip=False)
    return _at_target(sharp * scale)


def _richardson_lucy(image: Image, psf: Image, noise: float, iterations: int) -> Image:
    pedestal = 5 * noise
    scale = float(image.max()) + pedestal
    positive = np.clip((image + pedestal) / scale, 1e-6, None)
    sharp = richardson_lucy(positive, np.clip(psf, 0, None) / np.clip(psf, 0, None).sum(), num_iter=iterations, clip=False)
    return _at_target(sharp * scale - pedestal)


def _at_target(sharp: Image) -> Image:
    """Convolve an image with the target PSF and remove the padding."""
    spectrum = torch.fft.rfft2(torch.from_numpy(sharp)) * target_transfer(sharp.shape)  # type: ignore[arg-type]
    blurred_image = torch.fft.irfft2(spectrum, s=sharp.shape).numpy()
    return np.asarray(blurred_image[PADDING_PX:-PADDING_PX, PADDING_PX:-PADDING_PX])

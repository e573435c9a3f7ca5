"""The inputs of the network for a prepared galaxy, an image and numbers; its outputs as parameters of the fit."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.heads.structure.parameters import FLUX, RADIUS, SKY, X, Y
from backend.heads.structure.preparation import Prepared
from backend.heads.structure.psf import Psf

__all__ = ["CHANNELS", "IMAGE_PX", "NUMBERS", "OUTPUTS", "Inputs", "inputs_of", "outputs_of", "parameters_of"]

IMAGE_PX = 64
CHANNELS = 4
"""Brightness in units of the noise and of the peak, both compressed; valid pixels; the galaxy's mask."""
ENCIRCLED_RADII = (0.35, 0.7, 1.0, 1.5, 2.5, 4.0)
"""Radii of the PSF's encircled light, in units of its FWHM."""
NUMBERS = 8 + len(ENCIRCLED_RADII)
OUTPUTS = 8


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """Inputs of one galaxy.

    Attributes
    ----------
    image : ndarray, shape (`CHANNELS`, `IMAGE_PX`, `IMAGE_PX`)
    numbers : ndarray, shape (`NUMBERS`,)
    """

    image: NDArray[np.float32]
    numbers: NDArray[np.float32]


def inputs_of(galaxy: Prepared) -> Inputs:
    """Return the inputs; a window larger than `IMAGE_PX` is averaged over squares of pixels."""
    side = galaxy.image.shape[0]
    factor = -(-side // IMAGE_PX)
    valid = (galaxy.weight > 0).astype(np.float32)
    light = _bin(galaxy.image * valid, factor) / factor
    peak = max(float(light[_bin(galaxy.object_mask * valid, factor) > 0].max(initial=0.0)), 1.0)
    image = np.stack(
        (
            np.arcsinh(light) / 3,
            np.arcsinh(10 * light / peak) / 3,
            _bin(valid, factor) / factor**2,
            _bin(galaxy.object_mask.astype(np.float32), factor) / factor**2,
        )
    ).astype(np.float32)
    start, psf = galaxy.start, galaxy.psf
    numbers = (
        start[RADIUS] - 1.5,
        start[3],
        start[4],
        (math.log(max(start[FLUX], 1.0)) - 6) / 2,
        float(factor) - 1,
        math.log(psf.fwhm_px) - 1,
        math.log(peak) / 3,
        math.log(galaxy.signal_to_noise) / 3 - 1,
        *encircled_light(psf),
    )
    return Inputs(image, np.asarray(numbers, np.float32))


def outputs_of(parameters: NDArray[np.float64], galaxy: Prepared) -> NDArray[np.float64]:
    """Return parameters relative to the first guess, the outputs of the network; inverse of `parameters_of`."""
    outputs = np.array(parameters, float)
    radius = _unit(galaxy)
    outputs[[X, Y]] = (outputs[[X, Y]] - galaxy.start[[X, Y]]) / radius
    outputs[RADIUS] -= galaxy.start[RADIUS]
    outputs[FLUX] = math.log(parameters[FLUX] / galaxy.start[FLUX])
    outputs[SKY] = np.arcsinh(parameters[SKY] * 10)
    return outputs


def parameters_of(outputs: NDArray[np.float64], galaxy: Prepared) -> NDArray[np.float64]:
    """Return the parameters of the fit for outputs of shape (..., 8)."""
    parameters = np.array(outputs, float)
    parameters[..., [X, Y]] = outputs[..., [X, Y]] * _unit(galaxy) + galaxy.start[[X, Y]]
    parameters[..., RADIUS] += galaxy.start[RADIUS]
    parameters[..., FLUX] = galaxy.start[FLUX] * np.exp(outputs[..., FLUX].clip(-20, 20))
    parameters[..., SKY] = np.sinh(outputs[..., SKY]) / 10
    return parameters


def encircled_light(psf: Psf) -> tuple[float, ...]:
    """Return the light of a PSF within the radii of `ENCIRCLED_RADII`."""
    half = psf.pixels.shape[0] // 2
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    distance = np.hypot(x - psf.centre_offset_px[0], y - psf.centre_offset_px[1])
    order = np.argsort(distance, axis=None)
    light = np.cumsum(psf.pixels.ravel()[order])
    return tuple(float(value) for value in np.interp(np.multiply(ENCIRCLED_RADII, psf.fwhm_px), distance.ravel()[order], light))


def _unit(galaxy: Prepared) -> float:
    """Return the unit of the position: the radius of the blurred galaxy, pixels."""
    return math.hypot(math.exp(galaxy.start[RADIUS]), galaxy.psf.fwhm_px / 2)


def _bin(pixels: NDArray[np.floating], factor: int) -> NDArray[np.floating]:
    """Return the sums over squares of `factor` pixels, in the middle of an image of `IMAGE_PX` pixels."""
    side = pixels.shape[0]
    missing = IMAGE_PX * factor - side
    square = np.pad(pixels, (missing // 2, missing - missing // 2))
    sums: NDArray[np.floating] = square.reshape(IMAGE_PX, factor, IMAGE_PX, factor).sum((1, 3))
    return sums

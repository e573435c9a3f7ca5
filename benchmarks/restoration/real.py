"""Real galaxies and point spread functions of HST as material for degraded images with a known answer.

The stamps of `hst_cosmos` are shrunk, so that their own PSF is narrow, and light is kept only where a galaxy is significant.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray
from scipy import ndimage

from backend.scenes.hst_galaxies import part_of, significant_light
from benchmarks.restoration.galaxies import CANVAS, OVERSAMPLING

__all__ = ["PARTS", "PSF_CELLS", "part_of", "real_psfs", "real_scenes"]

PARTS = ("train", "val", "test")
PSF_CELLS = 63
"""Side of a PSF on the grid of half pixels."""


def real_scenes(data: Path, part: str, *, shrink: float) -> dict[str, NDArray[np.float32]]:
    """Return scenes of the stamps of a part, by their names; the brightest have the best morphology.

    Parameters
    ----------
    shrink : float
        Pixels of the stamp per cell of the scene.
    """
    folder = data / "hst_cosmos"
    with (folder / "labels.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if part_of(row["ident"]) == part]
    return {row["ident"]: _scene(fits.getdata(folder / row["image"]).astype(float), shrink) for row in rows}


def real_psfs(data: Path, part: str, *, width: float) -> list[NDArray[np.float32]]:
    """Return the HST PSFs of a part on the grid of half pixels, each `width` times as wide as on HST's pixels."""
    with fits.open(data / "structure_priors" / "hst_acs_f814w_psfs_100.fits") as file:
        planes = [(number, hdu.data.astype(float)) for number, hdu in enumerate(file) if part_of(f"psf{number}") == part]
    return [_resample(psf, OVERSAMPLING * width) for _, psf in planes]


def _scene(image: NDArray[np.float64], shrink: float) -> NDArray[np.float32]:
    image = significant_light(image)
    small = ndimage.zoom(ndimage.gaussian_filter(image, 0.3 * shrink), 1 / shrink, order=3, mode="constant").clip(min=0)
    scene = np.zeros((CANVAS, CANVAS))
    height, width = (min(side, CANVAS) for side in small.shape)
    top, left = (CANVAS - height) // 2, (CANVAS - width) // 2
    scene[top : top + height, left : left + width] = small[:height, :width]
    return (scene / scene.sum()).astype(np.float32)


def _resample(psf: NDArray[np.float64], factor: float) -> NDArray[np.float32]:
    """Resample a PSF about its brightest pixel by cubic splines to PSF_CELLS cells with unit sum."""
    row, column = np.unravel_index(np.argmax(psf), psf.shape)
    offsets = (np.arange(PSF_CELLS) - PSF_CELLS // 2) / factor
    at = np.meshgrid(row + offsets, column + offsets, indexing="ij")
    cells = ndimage.map_coordinates(psf, at, order=3, mode="constant")
    return (cells / cells.sum()).astype(np.float32)

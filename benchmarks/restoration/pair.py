"""The same field from the ground and from space: an HSC image restored, compared with HST's at the target resolution."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray
from scipy import ndimage

from backend.heads.restoration.restorer import Restorer
from backend.heads.restoration.target import FWHM_PER_SIGMA, TARGET_FWHM_PX
from backend.heads.structure.psf import make_psf

__all__ = ["correlations"]

I_BAND = 2
EDGE_PX = 4


def correlations(data: Path, restorer: Restorer) -> dict[str, float]:
    """Return Pearson's correlation of the HSC i image with the HST F814W image: as observed and restored."""
    folder = data / "hsc_hst"
    with fits.open(folder / "Cut_HSC.fits") as file:
        ground, ground_sky = file[0].data[I_BAND].astype(float), WCS(file[0].header).celestial
    psf = make_psf(fits.getdata(folder / "PSF_HSC.fits")[I_BAND])
    with fits.open(folder / "Cut_HST.fits") as file:
        space, space_sky = file[0].data.astype(float), WCS(file[0].header).celestial
    truth, ground_image = _on_grid(space, space_sky, ground.shape, ground_sky)
    restoration = restorer.restore(ground, psf).image
    planes = {"observed": ground, "restored": restoration}
    return {name: float(np.corrcoef(plane[ground_image], truth[ground_image])[0, 1]) for name, plane in planes.items()}


def _on_grid(
    image: NDArray[np.float64], sky: WCS, shape: tuple[int, ...], grid: WCS
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return an image at the target resolution on another grid, and where it has light of the whole PSF."""
    ratio = float(np.sqrt(abs(np.linalg.det(grid.pixel_scale_matrix) / np.linalg.det(sky.pixel_scale_matrix))))
    target_image = ndimage.gaussian_filter(image, TARGET_FWHM_PX * ratio / FWHM_PER_SIGMA)
    rows, columns = np.indices(shape)
    x, y = sky.world_to_pixel(grid.pixel_to_world(columns, rows))
    margin = EDGE_PX * ratio / 2
    inside = (x > margin) & (y > margin) & (x < image.shape[1] - 1 - margin) & (y < image.shape[0] - 1 - margin)
    return ndimage.map_coordinates(target_image, [y, x], order=1, mode="nearest"), inside

"""Cropping: scales each galaxy to the same apparent size, independent of the survey's field of view.

The fraction of the image that the galaxy covers affects an embedding more than the training objective does. Therefore the
galaxy nearest to the centre is measured, and the crop is a fixed multiple of its size.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch.nn import functional

from sync.images.background import median_and_spread

__all__ = ["FRAMING_VERSION", "frame"]

FRAMING_VERSION = "1"
RADII = 3.0
"""Half the side of the crop, in root-mean-square radii of the galaxy's light."""
SMALLEST = 0.3
"""Smallest side of a crop, as a fraction of the image's shorter side: tiny objects are not magnified without limit."""
WORKING_PX = 96
"""Approximate shorter side of the subsampled image in which the galaxy is measured, pixels."""


def frame(pixels: NDArray[np.float32], *, side: int, margin: float = 1.0) -> NDArray[np.float32]:
    """Crop the square around the central galaxy and scale it.

    Parameters
    ----------
    pixels : ndarray, shape (height, width, 3)
        Brightness in [0, 1].
    side : int
        Side of the result, pixels.
    margin : float
        Factor of the field of view: with 1.5 the surroundings of the galaxy are in the crop too.

    Returns
    -------
    ndarray, shape (side, side, 3)
        Pixels outside the image are black, like empty sky.
    """
    height, width = pixels.shape[:2]
    x, y, half = _central_galaxy(pixels)
    half *= margin
    # affine_grid's coordinates run from -1 to 1 over the image, separately in x and y.
    affine = torch.tensor([[[2 * half / width, 0, 2 * x / width - 1], [0, 2 * half / height, 2 * y / height - 1]]])
    image = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None]
    oversampling = max(1, min(8, round(2 * half / side)))
    grid = functional.affine_grid(affine.float(), [1, 3, side * oversampling, side * oversampling], align_corners=False)
    cut = functional.grid_sample(image, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    scaled_pixels: NDArray[np.float32] = functional.avg_pool2d(cut, oversampling)[0].permute(1, 2, 0).numpy()
    return scaled_pixels


def _central_galaxy(pixels: NDArray[np.float32]) -> tuple[float, float, float]:
    """Return the centre x, y of the galaxy nearest to the middle and half the side of its crop, pixels."""
    height, width = pixels.shape[:2]
    step = max(1, min(height, width) // WORKING_PX)
    # The mean of each colour plane added is several times faster than `mean` over an axis of three numbers.
    red, green, blue = np.moveaxis(pixels[::step, ::step], 2, 0)
    light = ndimage.gaussian_filter((red + green + blue) / 3, 1.0)
    sky, spread = median_and_spread(light)
    bright = light > sky + max(3 * spread, 0.1 * (float(light.max()) - sky), 0.01)
    labels, count = ndimage.label(bright)
    image_circle = (width / 2, height / 2, min(width, height) / 2)
    if count == 0:
        return image_circle
    rows, columns = np.indices(light.shape)
    middle = ((light.shape[0] - 1) / 2, (light.shape[1] - 1) / 2)
    distance = np.hypot(rows - middle[0], columns - middle[1])
    nearest = np.full(count, np.inf)
    np.minimum.at(nearest, labels[bright] - 1, distance[bright])
    area = np.bincount(labels[bright], minlength=count + 1)[1:]
    # Area and distance: a neighbour is chosen only if it is clearly larger than the object in the middle.
    label = int(np.argmax(np.sqrt(area) - nearest)) + 1
    weight = np.where(labels == label, light - sky, 0)
    total = float(weight.sum())
    centre_row, centre_column = float((weight * rows).sum()) / total, float((weight * columns).sum()) / total
    radius = np.sqrt(float((weight * ((rows - centre_row) ** 2 + (columns - centre_column) ** 2)).sum()) / total)
    half = float(np.clip(RADII * radius * step, SMALLEST * min(width, height) / 2, min(width, height) / 2))
    return (centre_column + 0.5) * step, (centre_row + 0.5) * step, half

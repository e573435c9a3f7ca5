"""The objects of an image that are measured: by source extraction, and which of them is the image's own galaxy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import sep
from numpy.typing import NDArray
from scipy import ndimage

from backend.heads.extraction.extract import extract
from backend.measurement.science import ScienceImage
from sync.errors.images import ImageError
from sync.geometry.footprint import Footprint
from sync.geometry.shapes import Mask, Size
from sync.images.background import clipped_background, sorted_sample

__all__ = ["central_object", "extract_objects"]

DETECTION_SIGMA = 2.0
"""Threshold of source extraction on science values, in units of the noise, after a filter of three pixels."""
LEAST_AREA_PX = 8
LEAST_SIGNAL_TO_NOISE = 7.0
"""Smallest isophotal signal-to-noise ratio of a source that is measured: the fit of a fainter one says nothing."""
MESH_PX = 128
"""Mesh of the sky background; smaller images have one level."""
LARGEST_HOLE_PX = 400
"""Missing pixels of smaller areas have the value of the nearest pixel while objects are searched."""
MOST_SOURCES = 100_000


def extract_objects(image: ScienceImage) -> list[Footprint]:
    """Return the pixels of each source of an image, brightest first.

    Science values are searched by SExtractor's method (sep), display brightness by the extraction of the predictions.

    Raises
    ------
    ImageError
        If the image has no noise, or too many sources.
    """
    if not image.is_linear:
        pixels = np.repeat(image.plane[:, :, None], 3, axis=2)
        sources = sorted(extract(pixels).sources, key=lambda source: -source.flux)
        return [Footprint.of_mask(source.crop, x=source.corner[0], y=source.corner[1]) for source in sources]
    return _extract_linear(image.plane)


def central_object(objects: Sequence[Footprint], size: Size) -> int | None:
    """Return the index of the object that a cut-out shows; None without objects.

    This is the smallest object that covers the middle of the image, else the one that is nearest to it.

    Parameters
    ----------
    objects : sequence of Footprint
    size : (width, height)
        Size of the image, pixels.
    """
    if not objects:
        return None
    column, row = size[0] // 2, size[1] // 2
    covering = [index for index, footprint in enumerate(objects) if footprint.holds(column, row)]
    if covering:
        return min(covering, key=lambda index: objects[index].area)
    return min(range(len(objects)), key=lambda index: _distance(objects[index], column, row))


def _distance(footprint: Footprint, column: int, row: int) -> float:
    rows, columns = np.nonzero(footprint.pixels)
    return float(np.hypot(columns + footprint.x - column, rows + footprint.y - row).min())


def _holes(missing: Mask) -> Mask:
    """Return the missing pixels of small areas, such as a saturated core or a bad column, which divide no object."""
    numbers, _ = ndimage.label(missing)
    small = np.bincount(numbers.ravel()) <= LARGEST_HOLE_PX
    small[0] = False
    holes: Mask = small[numbers]
    return holes


def _extract_linear(plane: NDArray[np.float32]) -> list[Footprint]:
    missing = np.isnan(plane)
    sky = clipped_background(sorted_sample(plane))
    pixels = np.ascontiguousarray(np.where(missing, sky.level, plane), np.float32)
    holes = _holes(missing)
    if holes.any():
        nearest = ndimage.distance_transform_edt(missing, return_distances=False, return_indices=True)
        pixels[holes] = pixels[tuple(nearest[:, holes])]
        missing &= ~holes
    level, noise = pixels - np.float32(sky.level), sky.noise
    if min(plane.shape) >= 2 * MESH_PX:
        background = sep.Background(pixels, mask=missing, bw=MESH_PX, bh=MESH_PX)
        level, noise = pixels - background.back(), float(background.globalrms)
    if not noise > 0:
        raise ImageError("the sky of the image has no noise, and sources cannot be told from it: it is not a measured image")
    sep.set_extract_pixstack(max(300_000, plane.size // 4))
    try:
        objects, segments = sep.extract(
            level, DETECTION_SIGMA, err=noise, mask=missing, minarea=LEAST_AREA_PX, segmentation_map=True
        )
    except Exception as error:  # sep raises a bare Exception when a buffer is full
        raise ImageError(f"source extraction failed: {error}") from error
    if len(objects) > MOST_SOURCES:
        raise ImageError(f"the image has {len(objects)} sources, and at most {MOST_SOURCES} are measured")
    bright = objects["flux"] > LEAST_SIGNAL_TO_NOISE * noise * np.sqrt(objects["npix"])
    windows = ndimage.find_objects(segments)
    return [
        Footprint.of_mask(segments[windows[index]] == index + 1, x=windows[index][1].start, y=windows[index][0].start)
        for index in np.argsort(-objects["flux"])
        if bright[index] and windows[index] is not None
    ]

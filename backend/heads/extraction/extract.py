"""Source extraction: every star and galaxy of an image, with a box, an ellipse, an outline and catalogue features.

The images are display images: 8-bit JPEG cut-outs with a black, clipped sky, enlarged frames whose noise is correlated over
many pixels, and full frames. An outline is an isophote at a fraction of the peak of the source, as annotators draw it, not at a
multiple of the noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from backend.heads.extraction.features import describe
from backend.heads.extraction.outlines import outline
from backend.heads.extraction.recognition.recogniser import recognise
from backend.heads.extraction.segment import SegmentedImage, check_shape, finite, segment
from backend.heads.extraction.source import ExtractionSettings, Source
from sync.geometry.moments import moment_ellipse
from sync.geometry.shapes import Box

__all__ = ["Extraction", "extract"]


@dataclass(frozen=True, slots=True, eq=False)
class Extraction:
    """The sources of one image, brightest peak first, and its segmentation."""

    sources: tuple[Source, ...]
    segmentation: SegmentedImage


def extract(image: NDArray[np.float32], *, settings: ExtractionSettings | None = None) -> Extraction:
    """Extract the sources of `image`, shape (height, width, 3); see `segment` for parameters and errors."""
    settings = settings or ExtractionSettings()
    if not settings.recognises:
        segmentation = segment(image, settings=settings)
        return Extraction(_measure(finite(image), segmentation, settings), segmentation)
    check_shape(image)
    pixels = finite(image)
    recognition = recognise(pixels, settings)
    sources = _measure(pixels, recognition.segmentation, settings, recognition.galaxy_probabilities)
    return Extraction(sources, recognition.segmentation)


def _measure(
    image: NDArray[np.float32],
    segmentation: SegmentedImage,
    settings: ExtractionSettings,
    galaxy_probabilities: NDArray[np.float32] | None = None,
) -> tuple[Source, ...]:
    sources = []
    brightness, segments = segmentation.brightness, segmentation.segments
    for number, window in enumerate(ndimage.find_objects(segments), start=1):
        if window is None:
            continue
        crop, (x, y) = outline(brightness, segments, number, isophote=settings.isophote, window=window)
        if crop.sum() < settings.minimum_area_px:
            continue
        light = np.where(crop, brightness[y : y + crop.shape[0], x : x + crop.shape[1]], 0)
        ellipse = moment_ellipse(crop, x=x, y=y)
        sources.append(
            Source(
                number=number,
                box=Box(float(x), float(y), float(crop.shape[1]), float(crop.shape[0])),
                ellipse=ellipse,
                crop=crop,
                corner=(x, y),
                flux=float(light.sum()),
                peak=float(light.max()),
                snr=float(light.max()) / segmentation.noise,
                features=describe(image, light, crop, ellipse, corner=(x, y), noise=segmentation.noise),
                galaxy_probability=math.nan if galaxy_probabilities is None else float(galaxy_probabilities[number - 1]),
            )
        )
    return tuple(sources)

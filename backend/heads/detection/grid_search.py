"""Grid search of the settings of the source detector, by the mean F1 on a project's images.

The defaults are used unless other settings are better by more than one standard error: with few images, the best of hundreds of
settings is mostly a random fluctuation.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import product

import numpy as np
from cachetools import LRUCache, cached
from numpy.typing import NDArray
from scipy import ndimage

from backend.heads.detection.metrics import clearly_better, f1
from backend.heads.extraction.outlines import outline
from backend.heads.extraction.recognition.recogniser import recognise
from backend.heads.extraction.reuse import CACHED_IMAGES, content_of, sources_of
from backend.heads.extraction.segment import SegmentedImage, finite, segment
from backend.heads.extraction.source import RECOGNISED, ExtractionSettings, Source
from sync.geometry.corners import box_edges
from sync.geometry.overlap import box_overlaps
from sync.geometry.shapes import Box

__all__ = [
    "LIKELY_GALAXY",
    "MATCH_AT",
    "RECOGNISED_POINT",
    "Grid",
    "GridPoint",
    "MatchedSources",
    "choose",
    "gather",
    "grow",
    "score_grid",
]

MATCH_AT = 0.5
PEAK_SIGMAS = (8.0, 5.0)
ISOPHOTES = (0.17, 0.1, 0.3)
BOX_SCALES = (1.0, 0.85, 1.15, 1.35, 1.6)
LEAST_AREAS = (12, 30, 80, 200)
CLEAR_SNR = 40 / 3
"""Smallest signal-to-noise ratio of sources of the untrained detector; deep fields have very many fainter sources."""
LEAST_SNRS = (CLEAR_SNR, 0.0, 30.0, 60.0, 90.0)
RECOGNISED_SNRS = (0.0, 10.0, 20.0, 40.0, 80.0)
LIKELY_GALAXY = 0.4
"""Smallest probability of a galaxy, chosen on survey scenes of the `val` part."""


@dataclass(frozen=True, slots=True)
class GridPoint:
    """One point of the grid; the defaults are those of the untrained detector.

    Attributes
    ----------
    settings : ExtractionSettings
    box_scale : float
        Ratio of the size of a box to the size of its outline.
    least_snr : float
        Smallest signal-to-noise ratio of a source; unlike `settings.peak_sigma`, it does not change the deblending.
    least_probability : float
        Smallest probability that a source is a galaxy, if the settings recognise galaxies.
    """

    settings: ExtractionSettings = field(default_factory=ExtractionSettings)
    box_scale: float = 1.0
    least_snr: float = CLEAR_SNR
    least_probability: float = 0.0

    def admits(self, source: Source) -> bool:
        """Return whether a source may be an object."""
        return source.snr >= self.least_snr and not source.galaxy_probability < self.least_probability


RECOGNISED_POINT = GridPoint(RECOGNISED, least_snr=0.0, least_probability=LIKELY_GALAXY)
"""The likely galaxies, with faint ones; not the default, because recognition removes compact galaxies of the deep field."""
Grid = dict[GridPoint, float]
"""The F1 of one image at each point of the grid."""


@dataclass(frozen=True, slots=True, eq=False)
class MatchedSources:
    """The sources of an image, and the drawn box that matches each of them.

    Attributes
    ----------
    sources : tuple of Source
    matches : ndarray of int, shape (len(sources),)
        Index of the matching box, or -1.
    labels : tuple of str
        Labels of the drawn boxes.
    """

    sources: tuple[Source, ...]
    matches: NDArray[np.intp]
    labels: tuple[str, ...]


def grow(edges: NDArray[np.float64], scale: float, size: tuple[int, int]) -> NDArray[np.float64]:
    """Scale boxes, as edges of shape (n, 4), about their centres, and clip them to an image of `size` (width, height)."""
    middle, half = (edges[:, :2] + edges[:, 2:]) / 2, (edges[:, 2:] - edges[:, :2]) / 2 * scale
    limit = np.asarray([*size, *size], dtype=np.float64)
    return np.concatenate([middle - half, middle + half], axis=1).clip(0, limit)


def choose(grids: Sequence[Grid], *, default: GridPoint = GridPoint()) -> GridPoint:
    """Return the point of the grid with the best mean F1, if it is clearly better than the default.

    Only points with recognition are compared if the default has it, otherwise only points without.
    """
    points = [point for point in grids[0] if point.settings.recognises == default.settings.recognises]
    scores = {point: np.asarray([grid[point] for grid in grids]) for point in points}
    best_choice = max(points, key=lambda point: float(scores[point].mean()))
    return best_choice if clearly_better(scores[best_choice], scores[default]) else default


@cached(LRUCache(CACHED_IMAGES), key=lambda image, drawn_boxes: (content_of(image), tuple(drawn_boxes)), lock=threading.Lock())
def score_grid(image: NDArray[np.float32], drawn_boxes: Sequence[Box]) -> Grid:
    """Return the F1 of one image, shape (height, width, 3), at each point of the grid; the defaults come first."""
    return dict(_scores(image, drawn_boxes))


def _scores(image: NDArray[np.float32], drawn_boxes: Sequence[Box]) -> Iterator[tuple[GridPoint, float]]:
    for peak_sigma in PEAK_SIGMAS:
        settings = ExtractionSettings(peak_sigma=peak_sigma)
        maps = segment(image, settings=settings)
        yield from _scores_of_maps(image, drawn_boxes, maps, settings, least_areas=LEAST_AREAS, least_snrs=LEAST_SNRS)
    recognition = recognise(finite(image), RECOGNISED)
    yield from _scores_of_maps(
        image,
        drawn_boxes,
        recognition.segmentation,
        RECOGNISED,
        least_areas=(RECOGNISED.minimum_area_px, *LEAST_AREAS),
        least_snrs=RECOGNISED_SNRS,
        probabilities=recognition.galaxy_probabilities,
    )


def _scores_of_maps(
    image: NDArray[np.float32],
    drawn_boxes: Sequence[Box],
    maps: SegmentedImage,
    settings: ExtractionSettings,
    *,
    least_areas: Sequence[int],
    least_snrs: Sequence[float],
    probabilities: NDArray[np.float32] | None = None,
) -> Iterator[tuple[GridPoint, float]]:
    """Yield the points of the grid with the same segments, and their F1."""
    size, target = (image.shape[1], image.shape[0]), box_edges(drawn_boxes)
    windows = [(n, window) for n, window in enumerate(ndimage.find_objects(maps.segments), start=1) if window]
    snrs = np.asarray([maps.brightness[w][maps.segments[w] == n].max() / maps.noise for n, w in windows])
    least_probabilities: tuple[float, ...] = (0.0,)
    likelihoods: NDArray[np.float32] = np.ones(len(windows), np.float32)
    if probabilities is not None:
        least_probabilities = (LIKELY_GALAXY, 0.0)
        likelihoods = probabilities[[n - 1 for n, _ in windows]]
    for isophote in ISOPHOTES:
        edges, areas = np.empty((len(windows), 4)), np.empty(len(windows))
        for i, (number, window) in enumerate(windows):
            crop, (x, y) = outline(maps.brightness, maps.segments, number, isophote=isophote, window=window)
            edges[i], areas[i] = (x, y, x + crop.shape[1], y + crop.shape[0]), crop.sum()
        for scale in BOX_SCALES:
            matches = box_overlaps(target, grow(edges, scale, size)) >= MATCH_AT
            for area, snr, likely in product(least_areas, least_snrs, least_probabilities):
                point = GridPoint(replace(settings, isophote=isophote, minimum_area_px=area), scale, snr, likely)
                yield point, f1(matches[:, (areas >= area) & (snrs >= snr) & (likelihoods >= likely)])


def gather(image: NDArray[np.float32], drawn_boxes: Sequence[tuple[Box, str]], choice: GridPoint) -> MatchedSources:
    """Return the sources of `image` with `choice`, each matched to the drawn box of the largest overlap from `MATCH_AT` on."""
    sources_of_image = sources_of(image, choice.settings)
    sources = tuple(source for source in sources_of_image if choice.admits(source))
    labels = tuple(label for _, label in drawn_boxes)
    matches = np.full(len(sources), -1, dtype=np.intp)
    if sources and drawn_boxes:
        edges = grow(box_edges([source.box for source in sources]), choice.box_scale, (image.shape[1], image.shape[0]))
        overlaps = box_overlaps(box_edges([box for box, _ in drawn_boxes]), edges)
        matches[:] = np.where(overlaps.max(axis=0) >= MATCH_AT, overlaps.argmax(axis=0), -1)
    return MatchedSources(sources, matches, labels)

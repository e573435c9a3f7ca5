"""Deblending: divides the detected pixels of a brightness map into sources, by persistence-based clustering (ToMATo).

A watershed assigns a basin to every local maximum. Then, from the highest saddle down, a peak that hardly exceeds the saddle to
a higher peak is merged with it. The multi-threshold tree of sep is not used: a branch needs a fraction of the light of the
blend, and with every fraction that does not split spiral arms, the companion of a large galaxy is lost. The tree also raises on
crowded frames ("object deblending overflow"), and it assigns the pixels between two sources at random, which makes outlines
irregular. docs/scenes.md has a comparison with photutils.

References
----------
Chazal, Guibas, Oudot & Skraba (2013), Journal of the ACM 60(6), 41; Bertin & Arnouts (1996), A&AS 117, 393.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import watershed

__all__ = ["divide"]

MAXIMUM_PEAKS = 20_000


def divide(
    brightness: NDArray[np.float32], is_detected: NDArray[np.bool_], *, floor: float, saddle: float, rise: float
) -> NDArray[np.int32]:
    """Assign each detected pixel to a source.

    Parameters
    ----------
    brightness : ndarray, shape (height, width)
        Smoothed and sky-subtracted.
    is_detected : ndarray of bool, shape (height, width)
        The pixels to assign.
    floor : float
        Smallest peak of a source, in units of `brightness`; detected pixels around lower peaks belong to no source.
    saddle, rise : float
        A peak is a separate source if the saddle to a higher peak is below the fraction `saddle` of the peak and lower by at
        least `rise`, in units of `brightness`. The second condition rejects noise on the flank of a galaxy.

    Returns
    -------
    ndarray of int32, shape (height, width)
        0 outside all sources; 1 for the source with the highest peak, 2 for the next one, and so on.
    """
    rows, columns = _local_maxima(brightness, is_detected, floor)
    basins = np.zeros(brightness.shape, dtype=np.int32)
    if not len(rows):
        return basins
    basins[rows, columns] = np.arange(1, len(rows) + 1)
    basins = watershed(-brightness, basins, mask=is_detected).astype(np.int32, copy=False)
    peaks = brightness[rows, columns].astype(np.float64)
    owner = _merge(peaks, _saddles(brightness, basins), saddle=saddle, rise=rise)
    _, numbers = np.unique(owner, return_inverse=True)
    segments: NDArray[np.int32] = np.concatenate([[0], numbers + 1]).astype(np.int32)[basins]
    return segments


def _local_maxima(
    brightness: NDArray[np.float32], is_detected: NDArray[np.bool_], floor: float
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return rows and columns of the local maxima, highest first; a plateau (a saturated star) has one maximum."""
    maxima = is_detected & (brightness >= floor) & (brightness == ndimage.maximum_filter(brightness, size=3))
    labels, count = ndimage.label(maxima, structure=np.ones((3, 3)))
    if not count:
        return np.empty(0, np.intp), np.empty(0, np.intp)
    flat = np.flatnonzero(labels)
    _, first = np.unique(labels.ravel()[flat], return_index=True)
    rows, columns = np.unravel_index(flat[first], brightness.shape)
    order = np.argsort(-brightness[rows, columns], kind="stable")[:MAXIMUM_PEAKS]
    return rows[order], columns[order]


def _saddles(brightness: NDArray[np.float32], basins: NDArray[np.int32]) -> list[tuple[float, int, int]]:
    """Return the saddle between each two touching basins: (height, lower number, higher number), highest saddle first."""
    saddles: dict[tuple[int, int], float] = {}
    for axis in (0, 1):
        before, after = (np.s_[:-1], np.s_[1:]) if axis == 0 else (np.s_[:, :-1], np.s_[:, 1:])
        a, b = basins[before], basins[after]
        border = (a != b) & (a > 0) & (b > 0)
        height = np.minimum(brightness[before][border], brightness[after][border])
        first, second = np.minimum(a[border], b[border]), np.maximum(a[border], b[border])
        for i, j, value in zip(first.tolist(), second.tolist(), height.tolist(), strict=True):
            if value > saddles.get((i, j), -np.inf):
                saddles[i, j] = value
    return sorted(((value, i, j) for (i, j), value in saddles.items()), key=lambda item: (-item[0], item[1], item[2]))


def _merge(
    peaks: NDArray[np.float64], saddles: list[tuple[float, int, int]], *, saddle: float, rise: float
) -> NDArray[np.intp]:
    """Return, for each peak, the index of the peak that it is merged with; peaks come highest first."""
    parent = list(range(len(peaks)))

    def root(peak: int) -> int:
        while parent[peak] != peak:
            parent[peak] = parent[parent[peak]]
            peak = parent[peak]
        return peak

    for height, i, j in saddles:
        higher, lower = sorted((root(i - 1), root(j - 1)))
        is_separate = height < saddle * peaks[lower] and peaks[lower] - height >= rise
        if not is_separate:
            parent[lower] = higher
    return np.asarray([root(peak) for peak in range(len(peaks))], dtype=np.intp)

"""Deblending: the peaks of a brightness map that are sources of their own, and the valleys between them.

Every local maximum gets its basin by watershed; then, from the highest saddle down, a peak that hardly rises above the saddle
to a higher peak is merged with it (persistence-based clustering, ToMATo). Chosen over sep's multi-threshold tree, where a
branch needs a share of the light of the blend: at every share that leaves spiral arms whole, the companion of a giant is lost.
That tree also raises on crowded frames ("object deblending overflow"), and it assigns the pixels between two sources at random,
which frays their outlines. docs/scenes.md has a comparison with photutils.

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
    brightness: NDArray[np.float32], detected: NDArray[np.bool_], *, floor: float, saddle: float, rise: float
) -> NDArray[np.int32]:
    """Assign each detected pixel to a source.

    Parameters
    ----------
    brightness : ndarray, shape (height, width)
        Smoothed and sky-subtracted.
    detected : ndarray of bool, shape (height, width)
        The pixels to assign.
    floor : float
        The least peak of a source; detected pixels around lower peaks belong to no source.
    saddle : float
        A peak is a source of its own if the saddle to a higher peak is below this fraction of it ...
    rise : float
        ... and at least this far below it, in units of `brightness`: noise on the flank of a galaxy is not a source.

    Returns
    -------
    ndarray of int32, shape (height, width)
        0 outside all sources; 1 for the source with the highest peak, 2 for the next one, and so on.
    """
    rows, columns = _local_maxima(brightness, detected, floor)
    basins = np.zeros(brightness.shape, dtype=np.int32)
    if not len(rows):
        return basins
    basins[rows, columns] = np.arange(1, len(rows) + 1)
    basins = watershed(-brightness, basins, mask=detected).astype(np.int32, copy=False)
    peaks = brightness[rows, columns].astype(np.float64)
    owner = _merge(peaks, _saddles(brightness, basins), saddle=saddle, rise=rise)
    _, numbers = np.unique(owner, return_inverse=True)
    segments: NDArray[np.int32] = np.concatenate([[0], numbers + 1]).astype(np.int32)[basins]
    return segments


def _local_maxima(
    brightness: NDArray[np.float32], detected: NDArray[np.bool_], floor: float
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return rows and columns of the local maxima, highest first; a plateau (a saturated star) has one."""
    maxima = detected & (brightness >= floor) & (brightness == ndimage.maximum_filter(brightness, size=3))
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

"""Deblending: which of the hills of a brightness map are sources of their own, and where the valleys between them run.

Every local maximum gets its basin by watershed; then, from the highest saddle down, a hill that hardly rises above the saddle
to a higher one is merged into it (persistence-based clustering, ToMATo). Chosen over sep's multi-threshold tree because that
judges a branch by its share of the blend's light: a companion of a giant is lost at any share at which spiral arms are left
whole. It also raises on crowded frames ("object deblending overflow"), and gives the pixels between two sources away by lot,
which frays their outlines.

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

MAXIMUM_HILLS = 20_000


def divide(
    brightness: NDArray[np.float32], detected: NDArray[np.bool_], *, floor: float, saddle: float, rise: float
) -> NDArray[np.int32]:
    """Give each detected pixel to a source.

    Parameters
    ----------
    brightness : ndarray, shape (height, width)
        Smoothed and sky-subtracted.
    detected : ndarray of bool, shape (height, width)
        The pixels to give away.
    floor : float
        The least peak of a source; detected pixels on no such hill belong to none.
    saddle : float
        A hill is a source of its own if the saddle to a higher one lies below this fraction of its peak ...
    rise : float
        ... and at least this far below its peak, in units of `brightness`, so that noise on a galaxy's flank is none.

    Returns
    -------
    ndarray of int32, shape (height, width)
        0 where there is no source; 1 for the source with the highest peak, and so on down.
    """
    rows, columns = _hilltops(brightness, detected, floor)
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


def _hilltops(
    brightness: NDArray[np.float32], detected: NDArray[np.bool_], floor: float
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of the local maxima, highest first; of a flat top (a saturated star) one pixel stands for all."""
    tops = detected & (brightness >= floor) & (brightness == ndimage.maximum_filter(brightness, size=3))
    labels, count = ndimage.label(tops, structure=np.ones((3, 3)))
    if not count:
        return np.empty(0, np.intp), np.empty(0, np.intp)
    flat = np.flatnonzero(labels)
    _, first = np.unique(labels.ravel()[flat], return_index=True)
    rows, columns = np.unravel_index(flat[first], brightness.shape)
    order = np.argsort(-brightness[rows, columns], kind="stable")[:MAXIMUM_HILLS]
    return rows[order], columns[order]


def _saddles(brightness: NDArray[np.float32], basins: NDArray[np.int32]) -> list[tuple[float, int, int]]:
    """The highest pass between each two touching basins: (height, lower number, higher number), highest pass first."""
    passes: dict[tuple[int, int], float] = {}
    for axis in (0, 1):
        here, there = (np.s_[:-1], np.s_[1:]) if axis == 0 else (np.s_[:, :-1], np.s_[:, 1:])
        a, b = basins[here], basins[there]
        border = (a != b) & (a > 0) & (b > 0)
        height = np.minimum(brightness[here][border], brightness[there][border])
        first, second = np.minimum(a[border], b[border]), np.maximum(a[border], b[border])
        for i, j, value in zip(first.tolist(), second.tolist(), height.tolist(), strict=True):
            if value > passes.get((i, j), -np.inf):
                passes[i, j] = value
    return sorted(((value, i, j) for (i, j), value in passes.items()), key=lambda item: (-item[0], item[1], item[2]))


def _merge(
    peaks: NDArray[np.float64], saddles: list[tuple[float, int, int]], *, saddle: float, rise: float
) -> NDArray[np.intp]:
    """For each hill, the index of the hill that it belongs to; hills come highest first."""
    parent = list(range(len(peaks)))

    def root(hill: int) -> int:
        while parent[hill] != hill:
            parent[hill] = parent[parent[hill]]
            hill = parent[hill]
        return hill

    for height, i, j in saddles:
        higher, lower = sorted((root(i - 1), root(j - 1)))
        stands_alone = height < saddle * peaks[lower] and peaks[lower] - height >= rise
        if not stands_alone:
            parent[lower] = higher
    return np.asarray([root(hill) for hill in range(len(peaks))], dtype=np.intp)

"""Labels saved by the order in which tasks were labelled, against random order, at equal quality.

Both curves are compared at the highest quality that both reach, so nothing is extrapolated. Between its points a curve is
linear, after a running maximum: a curve that falls by chance still has reached the quality.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backend.reports.estimate import Estimate
from backend.reports.resampling import estimate_of

__all__ = ["labels_saved"]

Floats = NDArray[np.float64]


def labels_saved(
    labels: NDArray[np.intp], values: Floats, random_labels: NDArray[np.intp], random_values: Floats, *, groups: int
) -> Estimate | None:
    """Return the share of labels saved, with its 95 % interval.

    Parameters
    ----------
    labels, random_labels : ndarray of int, shapes (n,) and (m,)
        Numbers of labels of the points of both curves, rising.
    values, random_values : ndarray, shapes (n, r) and (m, r)
        Quality at the points; the first column is of all images, the others of resamples of them.
    groups : int
        Number of galaxies that were resampled.

    Returns
    -------
    Estimate or None
        0.4 if 60 labels reach the quality of 100 labels in random order; negative if random order is better. None if a curve
        has fewer than two points.
    """
    if len(labels) < 2 or len(random_labels) < 2:
        return None
    shares = [
        _share(labels, column, random_labels, random_column)
        for column, random_column in zip(values.T, random_values.T, strict=True)
    ]
    return estimate_of(np.array(shares, np.float64), groups=groups)


def _share(labels: NDArray[np.intp], values: Floats, random_labels: NDArray[np.intp], random_values: Floats) -> float:
    if not (np.isfinite(values).all() and np.isfinite(random_values).all()):
        return float("nan")
    quality = min(values.max(), random_values.max())
    return 1 - _count_needed(labels, values, quality) / _count_needed(random_labels, random_values, quality)


def _count_needed(labels: NDArray[np.intp], values: Floats, quality: float) -> float:
    """Return the number of labels at which a curve first reaches a quality; the first point's number at least."""
    best_so_far = np.maximum.accumulate(values)
    place = int(np.argmax(best_so_far >= quality))
    if place == 0:
        return float(labels[0])
    rise = (quality - best_so_far[place - 1]) / (best_so_far[place] - best_so_far[place - 1])
    return float(labels[place - 1] + rise * (labels[place] - labels[place - 1]))

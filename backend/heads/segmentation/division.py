"""Division of a mask by negative clicks on a second object that no valley separates from the selected one.

A negative click near the outline means that the mask is too wide there. One deep inside the mask means that the mask contains
a second object. If both objects have a peak and a valley lies between them, `rules.py` removes the second one; otherwise each
point goes to the nearest click. A brighter object extends farther, so distances from a click are in units of the fourth root of
the light under it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from backend.heads.segmentation.isophotes import Isophotes, Map, Spot
from backend.heads.segmentation.refine import companions

__all__ = ["Division"]

Flags = NDArray[np.bool_]
LEAST_DEPTH = 0.35
"""Smallest distance of a dividing click from the outline, as a fraction of that of the deepest point of the mask; chosen on
survey scenes, scenes and annotators' outlines (val)."""
FAINTEST = 1.0
"""Lower limit of the light under a click, in units of the noise."""


@dataclass(frozen=True, slots=True, eq=False)
class Division:
    """The points of a mask that belong to dividing clicks.

    Attributes
    ----------
    is_dividing : ndarray of bool, shape (k,)
        Which negative clicks divide the mask.
    other : ndarray of bool, shape (n, n)
        Points nearer to a dividing click than to the selected object.
    """

    is_dividing: Flags
    other: Flags

    @classmethod
    def of(cls, isophotes: Isophotes, inside: Flags, negative: Sequence[Spot], own: Sequence[Spot]) -> Division:
        """Divide a mask between negative clicks and the selected object.

        Parameters
        ----------
        isophotes : Isophotes
        inside : ndarray of bool, shape (n, n)
            The mask.
        negative : sequence of Spot, length k
        own : sequence of Spot
            Spots on the selected object: positive clicks, and peaks of the objects of boxes or drawn masks.
        """
        depth = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
        least = max(LEAST_DEPTH * float(depth.max()), 1.0)
        is_dividing = np.array(
            [depth[isophotes.place_of(spot)] >= least and _on_same_segment(isophotes, spot, own) for spot in negative], bool
        )
        if not is_dividing.any():
            return cls(is_dividing, np.zeros_like(inside))
        other_spots = [spot for spot, divides in zip(negative, is_dividing.tolist(), strict=True) if divides]
        return cls(is_dividing, _distance(isophotes, other_spots) < _distance(isophotes, own))


def _on_same_segment(isophotes: Isophotes, spot: Spot, own: Sequence[Spot]) -> bool:
    """Return whether no valley separates a spot from the selected object."""
    segment = isophotes.segments[isophotes.place_of(spot)]
    return any(isophotes.segments[isophotes.place_of(other)] == segment for other in own) and not bool(
        companions(isophotes, [spot], own).any()
    )


def _distance(isophotes: Isophotes, spots: Sequence[Spot]) -> Map:
    """Return the distance from the nearest spot, in units of the fourth root of the light under it, shape (n, n)."""
    rows, columns = np.indices(isophotes.light.shape, sparse=True)
    distances = [
        np.hypot(rows + 0.5 - y, columns + 0.5 - x) / max(isophotes.light_at((x, y)), FAINTEST) ** 0.25 for x, y in spots
    ]
    distance: Map = np.min(distances, axis=0)
    return distance

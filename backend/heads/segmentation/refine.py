"""Refinement of a first guess by further clicks, with the isophotes of a window: the points that each click adds or removes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from skimage.segmentation import watershed

from backend.heads.segmentation.isophotes import Isophotes, Map, Place, Spot

__all__ = ["companions", "negative_side", "not_brighter", "other_objects", "refine_guess"]

Flags = NDArray[np.bool_]


def refine_guess(isophotes: Isophotes, logits: Map, points: NDArray[np.float64], positive: Flags) -> Map:
    """Change a mask where clicks lie on the wrong side of its outline, one click after another.

    A click on the segment of the mask moves the outline near it, in a radius proportional to its distance from the outline. A
    click on another segment adds or removes the object under it.

    Parameters
    ----------
    isophotes : Isophotes
    logits : ndarray, shape (n, n)
        The mask.
    points : ndarray, shape (k, 2)
        Spots on the grid.
    positive : ndarray of bool, shape (k,)
    """
    settings, guess = isophotes.settings, logits.copy()
    positive_spots = _spots(points[positive])
    for spot, is_positive in zip(_spots(points), positive.tolist(), strict=True):
        place, sign = isophotes.place_of(spot), 1 if is_positive else -1
        if sign * guess[place] < settings.doubt_logit:
            part = _clicked_part(isophotes, place, guess > 0, sign, positive_spots)
            guess[part] = sign * np.maximum(np.abs(guess[part]), settings.refined_logit)
    return guess


def negative_side(isophotes: Isophotes, negative: Sequence[Spot], positive: Sequence[Spot]) -> Flags:
    """Return the points that belong to negative spots rather than to positive ones, by a watershed, shape (n, n).

    The watershed starts at all spots and floods the brightest points first, so the border follows the valley between two
    segments. A negative spot on the flank of an object gets the fainter light behind it; on another object, it gets the whole
    object. A point with spots of both kinds is negative.
    """
    markers = np.where(companions(isophotes, negative, positive), 2, 0).astype(np.int32)
    for spot in positive:
        markers[isophotes.place_of(spot)] = 1
    for spot in negative:
        markers[isophotes.place_of(spot)] = 2
    side: Flags = watershed(-isophotes.light, markers) == 2
    return side


def companions(isophotes: Isophotes, negative: Sequence[Spot], positive: Sequence[Spot]) -> Flags:
    """Return the segments under negative spots with a lower peak than a segment under a positive spot, shape (n, n).

    Segments are separated at a shallower saddle than objects, so that a companion inside the outline of a galaxy is a segment.
    """
    if not negative:
        return np.zeros(isophotes.light.shape, bool)
    segments = isophotes.companion_segments()
    own_segments = {int(segments[isophotes.place_of(spot)]) for spot in positive} - {0}
    negative_segments = {int(segments[isophotes.place_of(spot)]) for spot in negative}
    lower = [
        number for number in negative_segments if own_segments and number > min(own_segments) and number not in own_segments
    ]
    flags: Flags = np.isin(segments, lower)
    return flags


def not_brighter(isophotes: Isophotes, negative: Sequence[Spot], positive: Sequence[Spot]) -> Flags:
    """Return the points not brighter than a negative spot on an object with a positive spot, or on sky, shape (n, n)."""
    own_segments = {int(isophotes.segments[isophotes.place_of(spot)]) for spot in positive} | {0}
    levels = [
        isophotes.light_at(spot) for spot in negative if int(isophotes.segments[isophotes.place_of(spot)]) in own_segments
    ]
    return isophotes.light <= isophotes.settings.margin * max(levels, default=-np.inf)


def other_objects(isophotes: Isophotes, spots: Sequence[Spot]) -> Flags:
    """Return the points of objects that a valley outside the outlines of the objects under spots separates, shape (n, n)."""
    settings, segments = isophotes.settings, isophotes.segments
    other_mask = segments > 0
    for spot in spots:
        place = isophotes.place_of(spot)
        peak = isophotes.peak_place(place)
        outline = min(isophotes.outline_level(peak), float(isophotes.light[place]) / settings.margin)
        is_connected = isophotes.connection_level(peak) >= max(outline, settings.faintest_snr)
        is_object = np.bincount(segments[is_connected], minlength=int(segments.max()) + 1) > 0
        is_object[segments[peak]] = True
        other_mask &= ~is_object[segments]
    return other_mask


def _clicked_part(isophotes: Isophotes, place: Place, inside: Flags, sign: int, positive_spots: Sequence[Spot]) -> Flags:
    """Return the points that a click on the wrong side of an outline changes, shape (n, n)."""
    settings, light = isophotes.settings, isophotes.light
    spot = (place[1] + 0.5, place[0] + 0.5)
    if sign < 0:
        companion = companions(isophotes, [spot], positive_spots or isophotes.peaks_of(inside))
        if companion.any():
            return companion
    brightness, level = float(light[place].clip(settings.faintest_snr)), isophotes.connection_level(place)
    other = inside if sign > 0 else inside & (light > brightness)
    bridge = float(level[other].max(initial=0))
    if bridge < settings.bridge * level[place]:  # both are levels of the same stack of thresholds
        part: Flags = isophotes.guess_from_click(spot) > 0
        if sign < 0:  # noise at an edge may form a segment with its peak on the mask
            part &= negative_side(isophotes, [spot], positive_spots or isophotes.peaks_of(inside))
    else:
        rows, columns = np.indices(inside.shape, sparse=True)
        distance = np.hypot(rows - place[0], columns - place[1])
        edge = float(distance[inside if sign > 0 else ~inside].min(initial=len(inside)))
        is_near = distance <= max(settings.reach * edge, settings.least_reach_points)
        part = is_near & ((light >= brightness / settings.margin) if sign > 0 else (light <= brightness * settings.margin))
    part[place] = True
    return part


def _spots(points: NDArray[np.float64]) -> list[Spot]:
    return [(x, y) for x, y in points.tolist()]

"""Refinement of a guess by further clicks, on the isophotes of a window: what each click adds or takes away."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import watershed

from backend.heads.segmentation.isophotes import Isophotes, Map, Place, Spot

__all__ = ["companions", "negative_side", "not_brighter", "other_objects", "refine_guess"]

Flags = NDArray[np.bool_]


def refine_guess(isophotes: Isophotes, logits: Map, points: NDArray[np.float64], positive: Flags) -> Map:
    """Change a mask where clicks lie on the wrong side of its outline, one click after another.

    On the segment of the mask a click moves the outline, as far along the outline as it lies from it; on another segment it
    adds or takes away the object under it.

    Parameters
    ----------
    logits : ndarray, shape (n, n)
    points : ndarray, shape (k, 2)
        Spots on the grid.
    positive : ndarray of bool, shape (k,)
    """
    settings, guess = isophotes.settings, logits.copy()
    held = _spots(points[positive])
    for spot, is_positive in zip(_spots(points), positive.tolist(), strict=True):
        place, sign = isophotes.place_of(spot), 1 if is_positive else -1
        if sign * guess[place] < settings.doubt_logit:
            part = _clicked_part(isophotes, place, guess > 0, sign, held)
            guess[part] = sign * np.maximum(np.abs(guess[part]), settings.refined_logit)
    return guess


def negative_side(isophotes: Isophotes, negative: Sequence[Spot], positive: Sequence[Spot]) -> Flags:
    """Return the points that the light connects with negative spots rather than positive ones, shape (n, n).

    A watershed that floods from all spots, the brightest points first, meets in the valley between two segments: a negative
    spot on the flank of an object gets the fainter light behind it, and on another object all of that object. Where a spot of
    each kind is on one point, that point is negative.
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

    A companion within the outline of a galaxy is a segment, though the valley between them is too shallow for two objects.
    """
    segments = isophotes.companion_segments()
    own = {int(segments[isophotes.place_of(spot)]) for spot in positive} - {0}
    clicked = {int(segments[isophotes.place_of(spot)]) for spot in negative}
    lower = [number for number in clicked if own and number > min(own) and number not in own]
    flags: Flags = np.isin(segments, lower)
    return flags


def not_brighter(isophotes: Isophotes, negative: Sequence[Spot], positive: Sequence[Spot]) -> Flags:
    """Return the points that are not brighter than a negative spot on an object under a positive one, shape (n, n)."""
    own = {int(isophotes.segments[isophotes.place_of(spot)]) for spot in positive} | {0}
    levels = [isophotes.light_at(spot) for spot in negative if int(isophotes.segments[isophotes.place_of(spot)]) in own]
    return isophotes.light <= isophotes.settings.margin * max(levels, default=-np.inf)


def other_objects(isophotes: Isophotes, spots: Sequence[Spot]) -> Flags:
    """Return the points of objects behind a valley that is outside the outlines of the objects under spots, shape (n, n)."""
    settings, segments = isophotes.settings, isophotes.segments
    others = segments > 0
    for spot in spots:
        place = isophotes.place_of(spot)
        peak = isophotes.peak_place(place)
        outline = min(settings.isophote * float(isophotes.light[peak]), float(isophotes.light[place]) / settings.margin)
        highest = ndimage.maximum(isophotes.connection_level(peak), segments, np.arange(segments.max() + 1))
        own = highest >= max(outline, settings.faintest_snr)
        own[segments[peak]] = True
        others &= ~own[segments]
    return others


def _clicked_part(isophotes: Isophotes, place: Place, inside: Flags, sign: int, held: Sequence[Spot]) -> Flags:
    """Points that a click on the wrong side of an outline changes, shape (n, n); `held` are the positive clicks."""
    settings, light = isophotes.settings, isophotes.light
    spot = (place[1] + 0.5, place[0] + 0.5)
    if sign < 0:
        companion = companions(isophotes, [spot], held or isophotes.peaks_of(inside))
        if companion.any():
            return companion
    here, level = float(light[place].clip(settings.faintest_snr)), isophotes.connection_level(place)
    other = inside if sign > 0 else inside & (light > here)
    bridge = float(level[other].max(initial=0))
    if bridge < settings.bridge * level[place]:  # both are levels of one stack of thresholds
        part: Flags = isophotes.guess_from_click(spot) > 0
        if sign < 0:  # noise at an edge may be a segment of its own, with its peak on the mask
            part &= negative_side(isophotes, [spot], held or isophotes.peaks_of(inside))
    else:
        rows, columns = np.indices(inside.shape, sparse=True)
        distance = np.hypot(rows - place[0], columns - place[1])
        edge = float(distance[inside if sign > 0 else ~inside].min(initial=len(inside)))
        near = distance <= max(settings.reach * edge, settings.least_reach_points)
        part = near & ((light >= here / settings.margin) if sign > 0 else (light <= here * settings.margin))
    part[place] = True
    return part


def _spots(points: NDArray[np.float64]) -> list[Spot]:
    return [(x, y) for x, y in points.tolist()]

"""Isophotes: which pixels hang together with a click at which brightness, as a first guess that the decoder is given.

The brightest level down to which a pixel is connected with a click says more of where an outline may run than any distance: it
falls outwards within a galaxy, and drops at the saddle to its neighbour. It is what a max-tree holds (Salembier et al. 1998,
IEEE TIP 7, 555; for galaxies Teeninga et al. 2016, Mathematical Morphology 1, 100), read off a stack of levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import watershed

from backend.heads.extraction.deblend import divide
from backend.heads.segmentation.simulated_clicks import Click
from sync.images.background import SIGMA_PER_DEVIATION, median_and_spread

__all__ = ["FAR", "Isophotes", "Spot"]

LEVELS = 40
LOWEST_SNR = 1.0
LEAST_PEAK, LEAST_RISE = 4.0, 3.0
"""Of an object, above the sky and above the saddle to a brighter one, in the sky's noise."""
SMOOTHING = 0.8
"""Standard deviation of the Gaussian that the light is smoothed with, points of the grid."""
USUAL_ISOPHOTE = 0.17
"""People's outlines run at about this fraction of the peak (`backend.heads.extraction.extract`): there the guess is 0."""
SLOPE = 2.0
"""Of the guess, for each factor e of brightness."""
FAR = 6.0
"""The surest guess."""
FAINTEST = 1e-3
CORE = 0.5
"""The peak of what a box holds lies in its middle half."""
REACH = 3.0
"""A click that mends acts so many times as far as it lies from the outline: it is in the middle of what is wrong."""
LEAST_REACH = 3.0
MENDED = 2.0
"""How sure a mended point is at least, as a logit."""
UNSURE = 1.0
"""A click where the mask is no surer, as a logit, mends it: between points of the grid the edge may run beyond it."""
ROOM = 1.15
"""An outline keeps away from a click by this factor in brightness."""
SADDLE = 0.5
"""Two peaks are two objects if the saddle between them lies below this fraction of the lower peak (as in `extract`)."""
DIP = 0.8
"""A click mends the hill of the mask if the light between them does not fall below this fraction of the click's."""
HILL_SADDLE = 0.8
"""A click that takes away takes a whole hill if the pass to the others lies below this fraction of its peak."""

WITHIN, AROUND = 0.6, (1.1, 1.8)
"""Ellipses in a box and around it, in half its sides, of which the light is compared."""
LEAST_AROUND = 20
"""Points around a box, to compare with."""
SMALLEST_HALF = 0.75
"""Of the side of a box, points: a smaller one holds no point's middle."""
LEAST_SCATTER = 0.2
"""In the noise of a pixel: a sky that is cut off at black scatters less."""

Spot = tuple[float, float]
"""x and y on the grid; the middle of its first point is (0.5, 0.5)."""
Map = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Isophotes:
    """The connected parts of a window above each of a stack of levels.

    Attributes
    ----------
    light : ndarray of float32, shape (n, n)
        Smoothed, above the sky, in its noise.
    levels : ndarray, shape (LEVELS,)
        Rising by equal factors from the sky's noise to the brightest point.
    parts : ndarray of int16, shape (LEVELS, n, n)
        Number of the connected part, 0 below the level.
    objects : ndarray of int32, shape (n, n)
        Whose each point is where valleys divide the light, 0 where it is nobody's.
    """

    light: Map
    levels: Map
    parts: NDArray[np.int16]
    objects: NDArray[np.int32]

    @classmethod
    def of(cls, squeezed: Map) -> Isophotes:
        """Slice a window, shape (n, n): the asinh of its brightness above the sky, in the sky's noise."""
        light = ndimage.gaussian_filter(np.sinh(squeezed), SMOOTHING)
        levels = np.geomspace(LOWEST_SNR, max(float(light.max()), 2 * LOWEST_SNR), LEVELS, dtype=np.float32)
        parts = np.stack([ndimage.label(light >= level)[0].astype(np.int16) for level in levels])
        return cls(light, levels, parts, divide(light, light >= LOWEST_SNR, floor=LEAST_PEAK, saddle=SADDLE, rise=LEAST_RISE))

    def around(self, spot: Spot) -> Map:
        """The object under a click, as logits, shape (n, n)."""
        place = self._point(spot)
        here = float(self.light[place])
        if here < LOWEST_SNR:
            nothing = np.full(self.light.shape, -FAR, np.float32)
            nothing[place] = 0
            return nothing
        summit = self._summit(place)
        shared = self._shared(summit)
        level = min(USUAL_ISOPHOTE * float(self.light[summit]), here / ROOM)
        guess: Map = (SLOPE * np.log(shared / level)).clip(-FAR, FAR).astype(np.float32)
        guess[(self.objects != self.objects[summit]) & (self.objects > 0)] = -FAR
        return guess

    def within(self, box: tuple[float, float, float, float]) -> Map:
        """The object of which the peak lies in the middle of a box (left, top, right, bottom), cut at the box."""
        left, top, right, bottom = box
        guess = self.around(self.peak_in(box))
        middle = np.arange(len(guess)) + 0.5
        outside = ~(((middle >= top) & (middle <= bottom))[:, None] & ((middle >= left) & (middle <= right))[None])
        guess[outside] = -FAR
        return guess

    def peak_in(self, box: tuple[float, float, float, float]) -> Spot:
        """The brightest point in the middle half of a box (left, top, right, bottom)."""
        left, top, right, bottom = box
        inward_x, inward_y = (right - left) * (1 - CORE) / 2, (bottom - top) * (1 - CORE) / 2
        (first, start), (last, stop) = (
            self._point((left + inward_x, top + inward_y)),
            self._point((right - inward_x, bottom - inward_y)),
        )
        core = self.light[first : last + 1, start : stop + 1]
        row, column = np.unravel_index(int(core.argmax()), core.shape)
        return start + column + 0.5, first + row + 0.5

    def mended(self, logits: Map, clicks: Sequence[Click]) -> Map:
        """A mask, shape (n, n), after clicks on what it has wrong, one after another.

        On the hill of the mask a click moves the outline, as far along as it lies from it; on another hill it adds or takes
        away the object under it.
        """
        guess = logits.copy()
        kept = [(x, y) for x, y, positive in clicks if positive]
        for x, y, positive in clicks:
            place, sign = self._point((x, y)), 1 if positive else -1
            if sign * guess[place] < UNSURE:
                part = self._meant(place, guess > 0, sign, kept)
                guess[part] = sign * np.maximum(np.abs(guess[part]), MENDED)
        return guess

    def at(self, spot: Spot) -> float:
        """The light at a spot, smoothed, in the noise of the sky."""
        return float(self.light[self._point(spot)])

    def summit(self, spot: Spot) -> Spot:
        """The brightest point of the object under a spot; the spot's own where it is on none."""
        row, column = self._summit(self._point(spot))
        return column + 0.5, row + 0.5

    def outlies(self, spot: Spot) -> bool:
        """Whether a spot lies where people rarely draw the outline of the object under it: at its rim, or outside."""
        place = self._point(spot)
        summit = self._summit(place)
        return bool(self._shared(summit)[place] < ROOM * USUAL_ISOPHOTE * self.light[summit])

    def contrast(self, spot: Spot, shown: tuple[int, int]) -> float:
        """The light at a spot above the middle of what is `shown` (width, height), in the scatter of the darker half of it."""
        visible = self.light[: shown[1], : shown[0]]
        middle = float(np.median(visible))
        scatter = float(np.median(middle - visible[visible <= middle])) * SIGMA_PER_DEVIATION
        return (self.at(spot) - middle) / max(scatter, FAINTEST)

    def excess(self, box: tuple[float, float, float, float], shown: tuple[float, float]) -> float:
        """How far the light in the middle of a box (left, top, right, bottom) exceeds that around it, in the scatter there.

        Infinite where too little of what is `shown` (width, height) lies around the box to compare with.
        """
        left, top, right, bottom = box
        middles = np.arange(len(self.light)) + 0.5
        across = (middles - (left + right) / 2) / max((right - left) / 2, SMALLEST_HALF)
        down = (middles - (top + bottom) / 2) / max((bottom - top) / 2, SMALLEST_HALF)
        distance = np.hypot(across[None], down[:, None])
        distance[middles > shown[1]] = distance[:, middles > shown[0]] = np.inf
        inside, around = self.light[distance < WITHIN], self.light[(distance > AROUND[0]) & (distance < AROUND[1])]
        if not inside.size or around.size < LEAST_AROUND:
            return np.inf
        level, scatter = median_and_spread(around)
        return (float(inside.mean()) - level) / max(scatter, LEAST_SCATTER)

    def side_of(self, taken: Sequence[Spot], kept: Sequence[Spot]) -> NDArray[np.bool_]:
        """The points that the light connects with spots to be taken away rather than with those to be kept, shape (n, n).

        A watershed that floods from all spots, the brightest points first, meets in the valley between two hills; of one hill a
        spot on the flank gets what lies below it, of another hill all of it. Where a spot of both kinds stands on one point, it
        is taken away.
        """
        markers = np.where(self.companions(taken, kept), 2, 0).astype(np.int32)
        for spot in kept:
            markers[self._point(spot)] = 1
        for spot in taken:
            markers[self._point(spot)] = 2
        side: NDArray[np.bool_] = watershed(-self.light, markers) == 2
        return side

    def companions(self, taken: Sequence[Spot], kept: Sequence[Spot]) -> NDArray[np.bool_]:
        """The hills that hold a spot to be taken away and are lower than one that holds a spot to be kept, shape (n, n).

        A hill is smaller than an object: a companion within the outline of a galaxy is one, though the valley between them is
        too shallow to divide objects.
        """
        hills = divide(self.light, self.light >= LOWEST_SNR, floor=LEAST_PEAK, saddle=HILL_SADDLE, rise=LEAST_RISE)
        own = {int(hills[self._point(spot)]) for spot in kept} - {0}
        lower = [hill for spot in taken if own and (hill := int(hills[self._point(spot)])) > min(own) and hill not in own]
        held: NDArray[np.bool_] = np.isin(hills, lower)  # the numbers of hills rise as their peaks fall
        return held

    def no_brighter(self, taken: Sequence[Spot], kept: Sequence[Spot]) -> NDArray[np.bool_]:
        """The points that are no brighter than a spot to be taken away on the hill of one to be kept, shape (n, n)."""
        own = {int(self.objects[self._point(spot)]) for spot in kept} | {0}
        levels = [self.at(spot) for spot in taken if int(self.objects[self._point(spot)]) in own]
        return self.light <= ROOM * max(levels, default=-np.inf)

    def beyond(self, spots: Sequence[Spot]) -> NDArray[np.bool_]:
        """The points of other objects, behind a valley outside the outlines of all objects under spots, shape (n, n)."""
        outside = self.objects > 0
        for spot in spots:
            place = self._point(spot)
            summit = self._summit(place)
            level = max(min(USUAL_ISOPHOTE * float(self.light[summit]), float(self.light[place]) / ROOM), FAINTEST)
            own = ndimage.maximum(self._shared(summit), self.objects, np.arange(self.objects.max() + 1)) >= level
            own[self.objects[summit]] = True
            outside &= ~own[self.objects]
        return outside

    def summits_of(self, mask: NDArray[np.bool_]) -> list[Spot]:
        """The brightest point of each part of a mask."""
        parts, count = ndimage.label(mask)
        places = ndimage.maximum_position(self.light, parts, np.arange(1, count + 1))
        return [(column + 0.5, row + 0.5) for row, column in places]

    def _meant(self, place: tuple[int, int], inside: NDArray[np.bool_], sign: int, kept: Sequence[Spot]) -> NDArray[np.bool_]:
        """What a click on the wrong side of an outline means, shape (n, n); `kept` are the positive clicks."""
        if sign < 0:
            hill = self.companions([(place[1] + 0.5, place[0] + 0.5)], kept or self.summits_of(inside))
            if hill.any():
                return hill
        here, shared = float(self.light[place].clip(FAINTEST)), self._shared(place)
        other = inside if sign > 0 else inside & (self.light > here)
        bridge = float(shared[other].max(initial=0))
        if bridge < DIP * shared[place]:  # both are read off the same stack of levels
            spot = (place[1] + 0.5, place[0] + 0.5)
            part = self.around(spot) > 0
            if sign < 0:  # noise at an edge may look like a hill of its own, of which the summit is the whole mask's
                part &= self.side_of([spot], kept or self.summits_of(inside))
        else:
            rows, columns = np.indices(inside.shape, sparse=True)
            distance = np.hypot(rows - place[0], columns - place[1])
            edge = float(distance[inside if sign > 0 else ~inside].min(initial=len(inside)))
            near = distance <= max(REACH * edge, LEAST_REACH)
            part = near & ((self.light >= here / ROOM) if sign > 0 else (self.light <= here * ROOM))
        part[place] = True
        return part

    def _summit(self, place: tuple[int, int]) -> tuple[int, int]:
        """The brightest point of the object that a place is on; the place itself where it is on none."""
        if self.objects[place] == 0:
            return place
        own = np.where(self.objects == self.objects[place], self.light, 0)
        row, column = np.unravel_index(int(own.argmax()), own.shape)
        return int(row), int(column)

    def _shared(self, place: tuple[int, int]) -> Map:
        """The brightest level down to which each point is connected with a place, at most its own light, shape (n, n)."""
        own = self.parts[:, place[0], place[1]]
        depth = int((own > 0).sum())
        together = (self.parts[:depth] == own[:depth, None, None]).sum(axis=0)
        floor = np.concatenate([[FAINTEST], self.levels]).astype(np.float32)
        shared: Map = np.minimum(floor[together], self.light.clip(FAINTEST))
        return shared

    def _point(self, spot: Spot) -> tuple[int, int]:
        last = len(self.light) - 1
        return min(max(int(spot[1]), 0), last), min(max(int(spot[0]), 0), last)

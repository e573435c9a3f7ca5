"""Isophotes: the brightness level above which each pixel is connected to a click, as a first guess for the decoder.

The brightest level above which a pixel is connected to a click predicts an outline better than any distance: inside a galaxy it
decreases outwards, and at the saddle to a neighbour it drops. A max-tree represents these levels (Salembier et al. 1998, IEEE
TIP 7, 555; for galaxies Teeninga et al. 2016, Mathematical Morphology 1, 100); here they are computed with a stack of
thresholds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from backend.heads.extraction.deblend import divide
from backend.heads.segmentation.isophote_settings import SETTINGS, IsophoteSettings
from backend.heads.segmentation.symmetry import BlendShares

__all__ = ["Isophotes", "Map", "Place", "Spot"]

Spot = tuple[float, float]
"""x and y on the grid; the centre of its first point is (0.5, 0.5)."""
Place = tuple[int, int]
"""Row and column on the grid."""
Map = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Isophotes:
    """The connected parts of a window above each threshold.

    Attributes
    ----------
    light : ndarray of float32, shape (n, n)
        Smoothed, sky-subtracted light, in units of the noise of the sky.
    levels : ndarray, shape (settings.levels,)
        The thresholds, from `settings.lowest_snr` to the brightest point.
    parts : ndarray of int16, shape (settings.levels, n, n)
        Number of the connected component above each threshold, 0 below the threshold.
    segments : ndarray of int32, shape (n, n)
        Number of the object, in descending order of the peaks; 0 outside all objects.
    settings : IsophoteSettings
    """

    light: Map
    levels: Map
    parts: NDArray[np.int16]
    segments: NDArray[np.int32]
    settings: IsophoteSettings

    @classmethod
    def of(cls, light_map: Map, settings: IsophoteSettings | None = None) -> Isophotes:
        """Compute the isophotes of a window.

        Parameters
        ----------
        light_map : ndarray, shape (n, n)
            asinh of the brightness above the sky, in units of the noise of the sky.
        settings : IsophoteSettings, optional
        """
        settings = settings or SETTINGS
        light = ndimage.gaussian_filter(np.sinh(light_map), settings.smoothing_points)
        brightest = max(float(light.max()), 2 * settings.lowest_snr)
        levels = np.geomspace(settings.lowest_snr, brightest, settings.levels, dtype=np.float32)
        parts = np.stack([ndimage.label(light >= level)[0].astype(np.int16) for level in levels])
        return cls(light, levels, parts, _segment(light, settings, saddle=settings.saddle), settings)

    def guess_from_click(self, spot: Spot) -> Map:
        """Return logits of the object under a click, shape (n, n)."""
        settings, place = self.settings, self.place_of(spot)
        brightness = float(self.light[place])
        if brightness < settings.lowest_snr:
            no_mask = np.full(self.light.shape, -settings.largest_logit, np.float32)
            no_mask[place] = 0
            return no_mask
        peak = self.peak_place(place)
        guess = self._logits(self.connection_level(peak), min(self.outline_level(peak), brightness / settings.margin))
        if self.segments[place]:
            guess = self._divide_blend(guess, place, peak)
        guess[(self.segments != self.segments[peak]) & (self.segments > 0)] = -settings.largest_logit
        return guess

    def _divide_blend(self, whole: Map, place: Place, peak: Place) -> Map:
        """Return logits of the clicked object of a blend, from logits of the whole; `peak` is the brightest point."""
        settings, shares = self.settings, BlendShares.of(self.light, peak)
        neighbour = shares.neighbour_at(place)
        if neighbour is None:
            guess = whole.copy()
            other = shares.bright_neighbours(place, settings.faintest_outline_snr)
        else:
            level = min(self._level_of_outline(float(shares.rest[neighbour])), float(shares.rest[place]) / settings.margin)
            levels = self.levels[self.levels >= level / 2]
            guess = self._logits(_connection_level(shares.rest, neighbour, levels, settings), level)
            other = shares.galaxy_points(place)
        guess[other] = np.minimum(guess[other], settings.other_logit)
        return guess

    def _logits(self, brightness: Map, level: float) -> Map:
        """Return logits of points with this brightness for an outline at a level."""
        largest, logits = self.settings.largest_logit, self.settings.slope * np.log(brightness / level)
        guess: Map = logits.clip(-largest, largest).astype(np.float32)
        return guess

    def guess_from_box(self, box: tuple[float, float, float, float]) -> Map:
        """Return logits of the object with its peak in the core of a box (left, top, right, bottom), clipped to the box."""
        left, top, right, bottom = box
        guess = self.guess_from_click(self.peak_in_box(box))
        middle = np.arange(len(guess)) + 0.5
        inside = ((middle >= top) & (middle <= bottom))[:, None] & ((middle >= left) & (middle <= right))[None]
        guess[~inside] = -self.settings.largest_logit
        return guess

    def peak_in_box(self, box: tuple[float, float, float, float]) -> Spot:
        """Return the brightest point in the core of a box (left, top, right, bottom)."""
        left, top, right, bottom = box
        share = (1 - self.settings.core) / 2
        inward_x, inward_y = (right - left) * share, (bottom - top) * share
        first, start = self.place_of((left + inward_x, top + inward_y))
        last, stop = self.place_of((right - inward_x, bottom - inward_y))
        core = self.light[first : last + 1, start : stop + 1]
        row, column = np.unravel_index(int(core.argmax()), core.shape)
        return start + column + 0.5, first + row + 0.5

    def light_at(self, spot: Spot) -> float:
        """Return the smoothed light at a spot, in units of the noise."""
        return float(self.light[self.place_of(spot)])

    def peak_of(self, spot: Spot) -> Spot:
        """Return the brightest point of the object under a spot; outside all objects, the point under the spot."""
        row, column = self.peak_place(self.place_of(spot))
        return column + 0.5, row + 0.5

    def peaks_of(self, mask: NDArray[np.bool_]) -> list[Spot]:
        """Return the brightest point of each connected part of a mask, shape (n, n)."""
        parts, count = ndimage.label(mask)
        places = ndimage.maximum_position(self.light, parts, np.arange(1, count + 1))
        return [(column + 0.5, row + 0.5) for row, column in places]

    def is_at_rim(self, spot: Spot) -> bool:
        """Return whether a spot lies outside the usual outline of the object under it, or near the outline."""
        place = self.place_of(spot)
        peak = self.peak_place(place)
        return bool(self.connection_level(peak)[place] < self.settings.margin * self.outline_level(peak))

    def companion_segments(self) -> NDArray[np.int32]:
        """Return segments that shallow saddles separate, shape (n, n), numbered in descending order of the peaks."""
        return _segment(self.light, self.settings, saddle=self.settings.companion_saddle)

    def knot_segments(self) -> NDArray[np.int32]:
        """Return segments of all local peaks above the noise, shape (n, n), numbered in descending order of the peaks."""
        settings = self.settings
        return divide(
            self.light,
            self.light >= settings.lowest_snr,
            floor=settings.knot_snr,
            saddle=settings.knot_saddle,
            rise=settings.knot_rise_snr,
        )

    def place_of(self, spot: Spot) -> Place:
        """Return the row and column of the point under a spot, or of the nearest point of the grid."""
        last = len(self.light) - 1
        return min(max(int(spot[1]), 0), last), min(max(int(spot[0]), 0), last)

    def peak_place(self, place: Place) -> Place:
        """Return the brightest point of the object at a place; outside all objects, the place itself."""
        if self.segments[place] == 0:
            return place
        segment_light = np.where(self.segments == self.segments[place], self.light, 0)
        row, column = np.unravel_index(int(segment_light.argmax()), segment_light.shape)
        return int(row), int(column)

    def outline_level(self, peak: Place) -> float:
        """Return the brightness at the usual outline of the object with this peak."""
        return self._level_of_outline(float(self.light[peak]))

    def _level_of_outline(self, peak_light: float) -> float:
        return max(self.settings.isophote * peak_light, self.settings.faintest_outline_snr)

    def connection_level(self, place: Place) -> Map:
        """Return the brightest level above which each point is connected to a place, at most its own light, shape (n, n)."""
        parts_here = self.parts[:, place[0], place[1]]
        depth = int((parts_here > 0).sum())
        together = (self.parts[:depth] == parts_here[:depth, None, None]).sum(axis=0)
        floor = np.concatenate([[self.settings.faintest_snr], self.levels]).astype(np.float32)
        level: Map = np.minimum(floor[together], self.light.clip(self.settings.faintest_snr))
        return level


def _connection_level(light: Map, place: Place, levels: Map, settings: IsophoteSettings) -> Map:
    """Return the brightest of `levels` above which each point of a map is connected to a place, at most its own light."""
    connection = np.full(light.shape, settings.faintest_snr, np.float32)
    for level in levels[levels <= light[place]].tolist():
        parts, _ = ndimage.label(light >= level)
        connection[parts == parts[place]] = level
    level_or_light: Map = np.minimum(connection, light.clip(settings.faintest_snr))
    return level_or_light


def _segment(light: Map, settings: IsophoteSettings, *, saddle: float) -> NDArray[np.int32]:
    return divide(light, light >= settings.lowest_snr, floor=settings.peak_snr, saddle=saddle, rise=settings.rise_snr)

"""Regions under prompts: which source a click means, how far a box lets it run, and what a negative click takes away.

Points are pixels (row, column), boxes are windows (rows, columns), and masks have the shape of the image.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from backend.heads.deblend import divide
from backend.heads.outlines import filled, outline
from backend.heads.prompts import Pixel, Window
from backend.heads.sources import Hills
from sync.controls.shapes import Mask

__all__ = ["Outlines", "around_click", "fit_box", "quality_of", "take_away"]

CLICK_RADIUS_PX = 4
FAINT_SIGMA = 2.0
FAINT_WINDOW_PX = 24
FAINT_ISOPHOTE = 0.4
BOX_CANDIDATES = 5
BOX_ISOPHOTES = (0.03, 0.05, 0.07, 0.1, 0.13, 0.17, 0.21, 0.26, 0.32, 0.4, 0.5, 0.65)
DENT = 0.9


class Outlines:
    """The outlines of one image's sources, each drawn when it is first asked for."""

    def __init__(self, hills: Hills, *, isophote: float) -> None:
        self.hills = hills
        self.isophote = isophote
        self.windows: list[Window] = ndimage.find_objects(hills.segments)
        self._drawn: dict[int, Mask] = {}

    def of(self, number: int) -> Mask:
        """The outline of the source `number`."""
        if number not in self._drawn:
            self._drawn[number] = self.at(number, self.isophote)
        return self._drawn[number]

    def at(self, number: int, isophote: float) -> Mask:
        """The outline of the source `number` at another isophote."""
        crop, (x, y) = self._crop(number, isophote)
        mask = np.zeros(self.hills.segments.shape, dtype=bool)
        mask[y : y + crop.shape[0], x : x + crop.shape[1]] = crop
        return mask

    def boxed(self, numbers: Sequence[int], isophote: float) -> Window:
        """The window around the outlines of these sources at another isophote."""
        crops = [self._crop(number, isophote) for number in numbers]
        left, top = min(x for _, (x, _) in crops), min(y for _, (_, y) in crops)
        right, bottom = max(x + crop.shape[1] for crop, (x, _) in crops), max(y + crop.shape[0] for crop, (_, y) in crops)
        return slice(top, bottom), slice(left, right)

    def _crop(self, number: int, isophote: float) -> tuple[Mask, tuple[int, int]]:
        brightness, segments = self.hills.brightness, self.hills.segments
        return outline(brightness, segments, number, isophote=isophote, window=self.windows[number - 1])

    def under(self, point: Pixel, *, refused: set[int]) -> Mask | None:
        """The source that a click at `point` means, or None if there is none.

        That is the one whose outline it hits, else the one whose outline passes within `CLICK_RADIUS_PX`, unless its number is
        refused, else the one to whose faint surroundings the point belongs: then the outline is let out to reach it.
        """
        own = int(self.hills.segments[point])
        if own and self.of(own)[point]:
            return self.of(own)
        around = _window(point, CLICK_RADIUS_PX, self.hills.segments.shape)
        rows, columns = np.mgrid[around]
        distance = np.hypot(rows - point[0], columns - point[1])
        near = []
        for number in np.unique(self.hills.segments[around]).tolist():
            if number and number not in refused:
                gap = float(distance[self.of(number)[around]].min(initial=np.inf))
                near.append((gap, number))
        if near and min(near)[0] <= CLICK_RADIUS_PX:
            return self.of(min(near)[1])
        if not own:
            return None
        peak = float(self.hills.brightness[self.windows[own - 1]][self.hills.segments[self.windows[own - 1]] == own].max())
        reached = self.at(own, min(self.isophote, 0.999 * float(self.hills.brightness[point]) / peak))
        return reached if reached[point] else None


def around_click(hills: Hills, point: Pixel) -> Mask | None:
    """The region around a click on what is too faint to be a source; None if there is nothing but sky.

    It is what is connected with the brightest pixel near the click and stands higher over the local sky than `FAINT_ISOPHOTE`
    times that pixel.
    """
    window = _window(point, FAINT_WINDOW_PX, hills.segments.shape)
    free, light = hills.segments[window] == 0, hills.brightness[window]
    inner = np.zeros_like(free)
    inner[_window(_shifted(point, window), CLICK_RADIUS_PX, free.shape)] = True
    if not (free & inner).any():
        return None
    sky = float(np.median(light[free]))
    candidates = np.where(free & inner, light, -np.inf)
    top = np.unravel_index(int(candidates.argmax()), candidates.shape)
    height = float(light[top]) - sky
    if height < FAINT_SIGMA * hills.noise:
        return None
    parts, _ = ndimage.label(free & (light >= sky + max(FAINT_ISOPHOTE * height, hills.noise)))
    mask = np.zeros(hills.segments.shape, dtype=bool)
    mask[window] = filled(parts == parts[top]) & free
    return mask


def fit_box(outlines: Outlines, window: Window, positive: Sequence[Pixel]) -> Mask | None:
    """The object that fills the box best, cut at the box.

    Tried are the sources with most light in the box (those under positive points, if there are any in it), each at several
    isophotes, and together those whose outline lies mainly in the box; what has the bounding box most like the box is taken.
    """
    hills = outlines.hills
    inside = hills.segments[window]
    light = np.bincount(inside.ravel(), weights=hills.brightness[window].ravel().clip(0, None))
    light[0] = 0
    pointed = {int(hills.segments[p]) for p in positive if _within(p, window)} - {0}
    ranked = sorted(pointed) or [int(n) for n in np.argsort(-light, kind="stable")[:BOX_CANDIDATES] if light[n] > 0]
    mainly = [n for n in ranked if 2 * outlines.of(n)[window].sum() > outlines.of(n).sum()]
    groups = [[number] for number in ranked] + ([mainly] if len(mainly) > 1 else [])
    shapes = [(group, isophote) for group in groups for isophote in BOX_ISOPHOTES]
    best: Mask | None = None
    if shapes:
        group, isophote = max(shapes, key=lambda shape: _overlap(outlines.boxed(*shape), window))
        best = np.logical_or.reduce([outlines.at(number, isophote) for number in group])
    else:
        brightest = np.unravel_index(int(hills.brightness[window].argmax()), inside.shape)
        best = around_click(hills, (window[0].start + int(brightest[0]), window[1].start + int(brightest[1])))
    if best is None:
        return None
    cut = np.zeros_like(best)
    cut[window] = best[window]
    return cut if cut.any() else None


def take_away(hills: Hills, mask: Mask, positive: Sequence[Pixel], negative: Sequence[Pixel]) -> Mask:
    """`mask` without what lies under the negative points.

    A negative point takes away the whole hill that it lies on, however small, if no positive point lies on it too; on a hill
    that is wanted, it pulls the outline in, to what is brighter than the point; and if the point is as bright as the wanted
    one, the hill is cut halfway between them.
    """
    asked = [point for point in negative if mask[point]]
    if not asked:
        return mask
    window = _extent(mask)
    result = np.zeros_like(mask)
    result[window] = _without(
        hills.brightness[window],
        mask[window],
        [_shifted(point, window) for point in positive if mask[point]],
        [_shifted(point, window) for point in asked],
        noise=hills.noise,
    )
    return result


def _without(
    brightness: NDArray[np.float32], mask: Mask, anchors: Sequence[Pixel], asked: Sequence[Pixel], *, noise: float
) -> Mask:
    basins = divide(brightness, mask, floor=-np.inf, saddle=DENT, rise=noise)
    if not anchors:  # a box, or a click beside the source: its peak is meant
        peak = np.unravel_index(int(np.where(mask, brightness, -np.inf).argmax()), mask.shape)
        anchors = [(int(peak[0]), int(peak[1]))]
    left = mask.copy()
    for point in asked:
        hill = basins == basins[point]
        wanted = [anchor for anchor in anchors if hill[anchor] and anchor != point]
        if not wanted:
            left &= ~hill
        elif brightness[point] < min(float(brightness[anchor]) for anchor in wanted):
            left &= ~(hill & (brightness <= brightness[point]))
        else:
            rows, columns = np.nonzero(hill)
            near = np.hypot(rows - point[0], columns - point[1])
            far = np.min([np.hypot(rows - r, columns - c) for r, c in wanted], axis=0)
            left[rows[near <= far], columns[near <= far]] = False
    parts, _ = ndimage.label(left)
    kept = {int(parts[anchor]) for anchor in anchors} - {0}
    result: Mask = np.isin(parts, sorted(kept)) if kept else left
    return result


def quality_of(hills: Hills, mask: Mask) -> float:
    """How good the mask probably is, 0 to 1: the share that stays if its edge's level rises by a quarter, times contrast."""
    window = _extent(mask)
    inside = np.pad(mask[window], 1)
    edge = inside & ~ndimage.binary_erosion(inside)
    light = hills.brightness[mask]
    level = float(np.median(hills.brightness[window][edge[1:-1, 1:-1]]))
    steadiness = float((light >= 1.25 * max(level, hills.noise)).mean())
    snr = max(float(light.max()) / hills.noise, 0.0)
    return steadiness * snr / (snr + 5)


def _window(point: Pixel, radius: int, shape: tuple[int, ...]) -> Window:
    row, column = point
    return (
        slice(max(row - radius, 0), min(row + radius + 1, shape[0])),
        slice(max(column - radius, 0), min(column + radius + 1, shape[1])),
    )


def _within(point: Pixel, window: Window) -> bool:
    rows, columns = window
    return bool(rows.start <= point[0] < rows.stop and columns.start <= point[1] < columns.stop)


def _shifted(point: Pixel, window: Window) -> Pixel:
    return point[0] - window[0].start, point[1] - window[1].start


def _extent(mask: Mask) -> Window:
    """The window around a mask that holds a pixel."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _overlap(a: Window, b: Window) -> float:
    """Intersection over union of two windows."""
    shared = 1
    for one, other in zip(a, b, strict=True):
        shared *= max(min(one.stop, other.stop) - max(one.start, other.start), 0)
    areas = [int(rows.stop - rows.start) * int(columns.stop - columns.start) for rows, columns in (a, b)]
    return float(shared / (sum(areas) - shared))

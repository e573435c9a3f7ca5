"""Prompting: chooses the windows of a click, a box or a mask on an image, and decodes the mask of the object in them.

The first click or the box gives a mask, and all further clicks refine it with at most two passes of the decoder, for any number
of clicks. The size of a clicked object is unknown: the decoder first outlines it in the whole image, and then in the smallest
window that contains it. An object that is too small in the whole image is searched from the smallest window up. An outline that
the border of a window cuts is not used. The rules in `rules.py` are then applied to the masks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backend.heads.segmentation.decoding import DRAWN_LOGIT, WindowPrompts, decode
from backend.heads.segmentation.division import Division
from backend.heads.segmentation.evidence import CLEAR_SNR, click_is_on_light, light_under, peak_over_surroundings
from backend.heads.segmentation.grid import Edges, on_grid
from backend.heads.segmentation.grid_frame import GridFrame
from backend.heads.segmentation.isophotes import Spot
from backend.heads.segmentation.prompt import Prompt
from backend.heads.segmentation.rules import WindowClicks, enforce_rules, keep_connected, remove, select_box_object
from backend.heads.segmentation.window_cache import WindowReader
from backend.heads.segmentation.window_features import WindowedImage
from backend.heads.segmentation.window_mask import WindowMask
from backend.heads.segmentation.windows import nearest_window, window_around
from backend.lvm.tiles import Tile
from sync.geometry.footprint import mask_bounds
from sync.geometry.shapes import Mask

__all__ = ["mask_from_click", "masks_from_boxes", "prefetch", "refine_mask"]

LEAST_POINTS = 24
"""Smallest number of grid points of an object in a window that resolves it."""
LARGEST_SHARE = 0.6
"""Largest ratio of the longer side of an object to the side of the window that outlines it."""
COMPACT_CONTRAST = 3.0
"""Smallest ratio of the peak of a compact source at the rim of a galaxy to the light around it, for a separate object."""
AT_ONCE = 16
"""Number of objects that are decoded in one batch, which bounds the memory."""


def prefetch(image: WindowedImage, boxes: Sequence[Edges]) -> None:
    """Encode and cache the windows that a click on any object in these boxes needs."""
    middle = (image.size[0] / 2, image.size[1] / 2)
    whole_window = nearest_window(image.sides[0], middle, image.size, shown_px=image.shown_px)
    for window in dict.fromkeys([whole_window, *(_window_of(image, box) for box in boxes)]):
        image.encode(window)


@torch.no_grad()
def mask_from_click(reader: WindowReader, image: WindowedImage, point: Spot) -> WindowMask | None:
    """Return the mask of the object under a positive click, or None on empty sky."""
    windows = [nearest_window(side, point, image.size, shown_px=image.shown_px) for side in image.sides]
    whole_mask = _decode_click(reader, image, windows[0], point)
    is_small = whole_mask.points < LEAST_POINTS
    fitting = [window for window in windows[1:] if is_small or _fits(whole_mask, window)]
    mask = _smallest_uncut(reader, image, fitting, point) or whole_mask
    if mask.points and click_is_on_light(reader, image, mask.window, point):
        smaller = [window for window in windows if window.width < mask.window.width]
        return _compact_source(reader, image, mask, smaller, point) or mask
    # The object may be too faint in the scaled window of a large image.
    smaller_mask = None if is_small else _smallest_uncut(reader, image, windows[1:], point)
    return smaller_mask if smaller_mask and light_under(reader, image, smaller_mask.window, point) >= CLEAR_SNR else None


@torch.no_grad()
def masks_from_boxes(reader: WindowReader, image: WindowedImage, boxes: Sequence[Edges]) -> list[WindowMask]:
    """Return the mask of the object in each box."""
    windows = [_window_of(image, box) for box in boxes]
    masks: dict[int, WindowMask] = {}
    for window in dict.fromkeys(windows):
        frame = GridFrame.of(window, reader.network.config)
        in_window = [index for index, other in enumerate(windows) if other == window]
        for start in range(0, len(in_window), AT_ONCE):
            indices = in_window[start : start + AT_ONCE]
            shown_boxes = frame.boxes_to_shown([boxes[index] for index in indices])
            edges = shown_boxes / frame.shown_per_point
            embedding, guess = reader.read(image, window)
            no_points = torch.zeros(len(indices), 0, 2), torch.zeros(len(indices), 0)
            prompts = WindowPrompts(*no_points, shown_boxes, guess.from_boxes(edges))
            masks_and_quality = zip(*decode(reader.network, embedding, prompts).select_best(), strict=True)
            for index, box, (logits, quality) in zip(indices, edges.tolist(), masks_and_quality, strict=True):
                mask = WindowMask(window, logits, float(quality), image.size, image.shown_px)
                masks[index] = select_box_object(mask, guess.isophotes, guess.isophotes.peak_in_box((*box,)))
    return [masks[index] for index in range(len(boxes))]


@torch.no_grad()
def refine_mask(
    reader: WindowReader, image: WindowedImage, start: WindowMask | Mask, clicks: Prompt, *, box: Edges | None = None
) -> WindowMask:
    """Refine a mask with further clicks.

    If a positive click lies outside the mask, positive clicks are decoded first, so that negative clicks reduce a mask that
    includes them.

    Parameters
    ----------
    reader : WindowReader
    image : WindowedImage
    start : WindowMask, or ndarray of bool, shape (height, width)
        Result of `mask_from_click` or `masks_from_boxes`, or a drawn mask that is not empty.
    clicks : Prompt
        All clicks on the object, including the one that `start` is from.
    box : Edges, optional
        The box that `start` is from.
    """
    window, logits = _start_window(reader, image, start, clicks)
    frame = GridFrame.of(window, reader.network.config)
    embedding, guess = reader.read(image, window)
    shown_boxes = None if box is None else frame.boxes_to_shown([box])
    peaks: list[Spot] = []
    if shown_boxes is not None:
        peaks = [guess.isophotes.peak_in_box((*(shown_boxes[0] / frame.shown_per_point).tolist(),))]
    elif not isinstance(start, WindowMask):
        peaks = guess.isophotes.peaks_of((logits > 0).numpy())
    mask = WindowMask(window, logits, 1.0, image.size, image.shown_px)
    inside = clicks.select(frame.contains(clicks.points))
    grid_points = frame.to_grid(inside.points)
    own = [*peaks, *_spots(grid_points[inside.positive])]
    division = Division.of(guess.isophotes, (logits > 0).numpy(), _spots(grid_points[~inside.positive]), own)
    other = torch.from_numpy(division.other)
    is_undivided = inside.positive.copy()
    is_undivided[~inside.positive] = ~division.is_dividing
    mask, left = remove(mask, other), inside.select(is_undivided)
    if division.is_dividing.any() and _agree(mask, left):
        clicks_on_grid = WindowClicks(inside.points, grid_points, inside.positive, own)
        return enforce_rules(mask, clicks_on_grid, guess.isophotes, guess=mask.logits)
    positive = left.select(left.positive)
    steps = [left]
    if len(positive.points) < len(left.points) and not _agree(mask, positive):
        steps = [positive, left]
    for step in steps:
        grid_points = frame.to_grid(step.points)
        labels = torch.from_numpy(step.positive.astype(np.int64))[None]
        guesses = guess.refine(mask.logits[None], [grid_points], [step.positive])
        candidates = decode(
            reader.network, embedding, WindowPrompts(frame.to_shown(grid_points), labels, shown_boxes, guesses)
        ).select_best()
        before, mask = mask.logits, replace(mask, logits=candidates[0][0], quality=float(candidates[1]))
        spots = [*peaks, *_spots(grid_points[step.positive])]
        clicks_on_grid = WindowClicks(step.points, grid_points, step.positive, spots)
        mask = enforce_rules(mask, clicks_on_grid, guess.isophotes, guess=guesses[0], before=before)
    return keep_connected(remove(mask, other), own) if division.is_dividing.any() else mask


def _agree(mask: WindowMask, clicks: Prompt) -> bool:
    """Return whether all clicks are on their side of the outline."""
    return all(
        mask.agrees_with(point, bool(positive))
        for point, positive in zip(_spots(clicks.points), clicks.positive.tolist(), strict=True)
    )


def _compact_source(
    reader: WindowReader, image: WindowedImage, mask: WindowMask, smaller: Sequence[Tile], point: Spot
) -> WindowMask | None:
    """Return a compact source under a click at the rim of a large object, which the window of that object does not resolve.

    None if no smaller window has such a source, or if its contrast is low and the outline of the large object, from a click on
    its peak, contains the click: a knot in a spiral arm is a part of the galaxy.
    """
    frame = GridFrame.of(mask.window, reader.network.config)
    isophotes = reader.read(image, mask.window)[1].isophotes
    spot = frame.spot(point)
    if not isophotes.is_at_rim(spot):
        return None
    compact = _smallest_uncut(reader, image, smaller, point)
    if compact is None or not (rise := peak_over_surroundings(reader, image, compact, point)):
        return None
    if rise >= COMPACT_CONTRAST:
        return compact
    whole_mask = _decode_click(reader, image, mask.window, frame.to_image(isophotes.peak_of(spot)))
    return compact if whole_mask.agrees_with(point, False) else None


def _smallest_uncut(reader: WindowReader, image: WindowedImage, windows: Sequence[Tile], point: Spot) -> WindowMask | None:
    """Return the mask of the object under a click in the smallest of `windows`, largest first, whose border does not cut it."""
    for window in reversed(windows):
        mask = _decode_click(reader, image, window, point)
        if mask.points and not mask.cut:
            return mask
    return None


def _decode_click(reader: WindowReader, image: WindowedImage, window: Tile, point: Spot) -> WindowMask:
    frame = GridFrame.of(window, reader.network.config)
    points, positive = np.array([point]), np.ones(1, bool)
    grid_points = frame.to_grid(points)
    embedding, guess = reader.read(image, window)
    prompts = WindowPrompts(frame.to_shown(grid_points), torch.ones(1, 1), guesses=guess.from_clicks(grid_points))
    logits, quality = decode(reader.network, embedding, prompts).select_best()
    window_mask = WindowMask(window, logits[0], float(quality), image.size, image.shown_px)
    spots = _spots(grid_points)
    own_guess = torch.from_numpy(guess.isophotes.guess_from_click(spots[0]))
    return enforce_rules(window_mask, WindowClicks(points, grid_points, positive, spots), guess.isophotes, guess=own_guess)


def _start_window(reader: WindowReader, image: WindowedImage, start: WindowMask | Mask, clicks: Prompt) -> tuple[Tile, Tensor]:
    """Return the smallest window with a mask and its positive clicks, and the logits of the mask on its grid."""
    positive = clicks.points[clicks.positive]
    if isinstance(start, WindowMask):
        if GridFrame.of(start.window, reader.network.config).contains(positive).all():
            return start.window, start.logits
        start = start.mask()
    left, top, right, bottom = mask_bounds(start)
    corners = np.concatenate([[(left, top), (right, bottom)], positive])
    window = _window_of(image, (*corners.min(axis=0).tolist(), *corners.max(axis=0).tolist()))
    return window, DRAWN_LOGIT * (2 * on_grid(start, window, config=reader.network.config) - 1).sign()


def _window_of(image: WindowedImage, box: Edges) -> Tile:
    return window_around(box, image.size, sides=image.sides, shown_px=image.shown_px)


def _spots(points: NDArray[np.float64]) -> list[Spot]:
    return [(x, y) for x, y in points.tolist()]


def _fits(mask: WindowMask, window: Tile) -> bool:
    """Return whether an object fits into a smaller window with a margin around it."""
    left, top, right, bottom = mask_bounds((mask.logits > 0).numpy())
    pixels_per_point = mask.shown_px / mask.window.scale / len(mask.logits)
    return max(right - left, bottom - top) * pixels_per_point <= LARGEST_SHARE * max(window.width, window.height)

"""Prompting: chooses the windows of a box or a mask on an image, and decodes the mask of the object in them.

The first click (`first_click.py`) or the box gives a mask, and all further clicks refine it with at most two passes of the
decoder, for any number of clicks. The rules in `rules.py` are then applied to the masks.
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

__all__ = ["masks_from_boxes", "prefetch", "refine_mask"]

AT_ONCE = 16
"""Number of objects that are decoded in one batch, which bounds the memory."""


def prefetch(image: WindowedImage, boxes: Sequence[Edges]) -> None:
    """Encode and cache the windows that a click on any object in these boxes needs."""
    middle = (image.size[0] / 2, image.size[1] / 2)
    whole_window = nearest_window(image.sides[0], middle, image.size, shown_px=image.shown_px)
    for window in dict.fromkeys([whole_window, *(_window_of(image, box) for box in boxes)]):
        image.encode(window)


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
        Result of `first_click.mask_from_click` or `masks_from_boxes`, or a drawn mask that is not empty.
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

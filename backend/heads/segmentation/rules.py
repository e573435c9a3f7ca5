"""Rules for prompted masks, which neither the shipped segmenter nor SAM satisfies in all cases.

A mask contains its positive clicks and none of its negative clicks. Each of its parts is connected to a positive click, or to
the object of a box or a drawn mask. It contains no other object that a valley outside the outline of the clicked object
separates. A negative click removes points on its own side only. Without the rules, a negative point on the edge of a companion
made the decoder remove the galaxy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from backend.heads.segmentation.isophotes import Isophotes, Spot
from backend.heads.segmentation.prompt import Prompt
from backend.heads.segmentation.refine import companions, negative_side, not_brighter, other_objects
from backend.heads.segmentation.window_mask import WindowMask
from sync.geometry.shapes import Mask

__all__ = ["WindowClicks", "enforce_clicks", "enforce_rules", "keep_connected", "largest_part", "remove", "select_box_object"]

LARGEST_BRIGHT_LOSS, LARGEST_LOSS = 0.1, 0.5
"""Largest fractions of the mask outside their own side that negative clicks may remove: of its brighter points, and of all.

A click on the segment of the object means that the outline is too wide, so it affects all points that are not brighter; a click
on another segment affects that segment only. Points that a removal disconnects from all clicks count as removed. If the loss is
larger, the points inside the isophote are restored, and if that is not enough, all points.
"""
OUTSIDE = -1.0
"""Logit of a point that a rule removes."""


@dataclass(frozen=True, slots=True, eq=False)
class WindowClicks:
    """The clicks on one window.

    Attributes
    ----------
    points : ndarray of float64, shape (n, 2)
        Pixels of the image.
    grid_points : ndarray of float64, shape (n, 2)
        The same points on the decoder's grid.
    positive : ndarray of bool, shape (n,)
    object_points : sequence of Spot
        Points of the grid on the selected objects: positive clicks, and peaks of the objects of boxes or drawn masks.
    """

    points: NDArray[np.float64]
    grid_points: NDArray[np.float64]
    positive: NDArray[np.bool_]
    object_points: Sequence[Spot]


def enforce_rules(
    window_mask: WindowMask, clicks: WindowClicks, isophotes: Isophotes, *, guess: Tensor, before: Tensor | None = None
) -> WindowMask:
    """Apply the rules to a decoded mask, on the decoder's grid.

    Parameters
    ----------
    window_mask : WindowMask
    clicks : WindowClicks
    isophotes : Isophotes
        Isophotes of the window.
    guess : Tensor, shape (points, points)
        Logits of the isophote mask of the clicks, used if a click is on the wrong side of the outline of the decoded mask.
    before : Tensor, shape (points, points), optional
        Logits of the mask before the negative clicks.
    """
    negative: list[Spot] = [(x, y) for x, y in clicks.grid_points[~clicks.positive].tolist()]
    side = torch.from_numpy(negative_side(isophotes, negative, clicks.object_points)) if negative else None
    outside = torch.from_numpy(
        other_objects(isophotes, clicks.object_points) | companions(isophotes, negative, clicks.object_points)
    )
    mask = remove(window_mask, outside)
    for point, spot, positive in zip(
        clicks.points.tolist(), clicks.grid_points.tolist(), clicks.positive.tolist(), strict=True
    ):
        if not mask.agrees_with(point, positive):
            mask = replace(mask, logits=_enforce_click(mask.logits, guess, spot, positive, side))
    if side is not None and before is not None:
        lost_pixels = (before > 0) & ~side
        bright = lost_pixels & ~torch.from_numpy(not_brighter(isophotes, negative, clicks.object_points))
        for restored_pixels in (lost_pixels & (guess > 0), lost_pixels):
            missing_pixels = lost_pixels & (keep_connected(mask, clicks.object_points).logits <= 0)
            if (
                missing_pixels.sum() <= LARGEST_LOSS * lost_pixels.sum()
                and (missing_pixels & bright).sum() <= LARGEST_BRIGHT_LOSS * bright.sum()
            ):
                break
            mask = replace(mask, logits=torch.where(restored_pixels & (mask.logits <= 0), before, mask.logits))
    return keep_connected(mask, clicks.object_points)


def select_box_object(window_mask: WindowMask, isophotes: Isophotes, peak: Spot) -> WindowMask:
    """Reduce a decoded mask to the part that is connected to the peak in its box, without other objects."""
    outside = torch.from_numpy(other_objects(isophotes, [peak]))
    return keep_connected(remove(window_mask, outside), [peak])


def enforce_clicks(mask: Mask, clicks: Prompt, *, anchors: Mask | None = None) -> Mask:
    """Add the positive clicks to a mask, remove the negative ones, and remove parts without a positive click or an anchor.

    Parameters
    ----------
    mask : ndarray of bool, shape (height, width)
    clicks : Prompt
    anchors : ndarray of bool, shape (height, width), optional
        The objects of boxes and drawn masks: parts of the mask that share a pixel with them are kept.
    """
    columns, rows = clicks.points.astype(int).T
    edited_mask = mask.copy()
    edited_mask[rows, columns] = clicks.positive
    parts, count = ndimage.label(edited_mask)
    is_selected = np.zeros(count + 1, dtype=bool)
    is_selected[parts[rows[clicks.positive], columns[clicks.positive]]] = True
    if anchors is not None:
        is_selected[np.unique(parts[anchors])] = True
    is_selected[0] = False
    result: Mask = is_selected[parts]
    return result


def largest_part(mask: Mask) -> Mask:
    """Return the largest connected part of a mask, or an empty mask if it is empty."""
    parts, _ = ndimage.label(mask)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    result: Mask = (parts == sizes.argmax()) & mask
    return result


def _enforce_click(logits: Tensor, guess: Tensor, spot: Sequence[float], positive: bool, side: Tensor | None) -> Tensor:
    """Change a mask that contradicts a click, according to the isophotes, and at least at the points around the click."""
    last, sign = len(logits) - 1, 1.0 if positive else -1.0
    row, column = min(int(spot[1]), last), min(int(spot[0]), last)
    own_side = torch.ones_like(logits, dtype=torch.bool) if side is None else side != positive
    is_changed = ((guess > 0) == positive) & ((logits > 0) != positive) & own_side
    around = torch.zeros_like(own_side)
    around[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2] = True
    new_logits = torch.where(is_changed, sign * guess.abs().clamp(min=1), logits)
    return torch.where(around & own_side, sign, new_logits)


def keep_connected(mask: WindowMask, spots: Sequence[Spot]) -> WindowMask:
    """Reduce a mask to the parts that contain a spot, or to the largest part if none does."""
    parts, count = ndimage.label((mask.logits > 0).numpy())
    if count == 0:
        return mask
    last = len(parts) - 1
    numbers = {int(parts[min(int(y), last), min(int(x), last)]) for x, y in spots} - {0}
    numbers = numbers or {int(np.bincount(parts.ravel())[1:].argmax()) + 1}
    return remove(mask, torch.from_numpy((parts > 0) & ~np.isin(parts, list(numbers))))


def remove(mask: WindowMask, points: Tensor) -> WindowMask:
    """Return a mask without these points, bool of shape (points, points)."""
    return replace(mask, logits=mask.logits.masked_fill(points & (mask.logits > 0), OUTSIDE))

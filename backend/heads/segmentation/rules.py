"""Rules that every prompted mask follows, whichever network decoded it: the shipped segmenter and SAM do not ensure them.

A mask holds its positive clicks and none of its negative ones. Each of its parts is connected to a positive click, or to the
object of a box or a drawn mask. An object behind a valley outside the outline of the clicked object is left out. A negative
click takes away from its own side only. Without the rules, one negative point on the edge of a companion made the decoder drop
the galaxy.
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

__all__ = ["WindowClicks", "enforce_clicks", "enforce_rules", "largest_part", "select_box_object"]

LARGEST_BRIGHT_LOSS, LARGEST_LOSS = 0.1, 0.5
"""Negative clicks may remove at most these shares of the mask outside their own side: of its brighter points, and of all.

A click on the segment of the object itself means that the outline is too wide, so it concerns all points that are not brighter;
a click on another segment concerns that segment only. Points that a removal disconnects from all clicks count as removed. Of a
larger loss, the part inside the isophote comes back; where that is too little, all of it.
"""
OUTSIDE = -1.0
"""Logit of a point that a rule removes."""


@dataclass(frozen=True, slots=True, eq=False)
class WindowClicks:
    """The clicks on one window.

    Attributes
    ----------
    points : ndarray of float64, shape (n, 2)
        In pixels of the image.
    placed : ndarray of float64, shape (n, 2)
        The same on the decoder's grid.
    positive : ndarray of bool, shape (n,)
    held : sequence of Spot
        Points of the grid on the requested objects: the positive clicks, and the peaks of boxed or drawn objects.
    """

    points: NDArray[np.float64]
    placed: NDArray[np.float64]
    positive: NDArray[np.bool_]
    held: Sequence[Spot]


def enforce_rules(
    decoded: WindowMask, clicks: WindowClicks, isophotes: Isophotes, *, guess: Tensor, before: Tensor | None = None
) -> WindowMask:
    """Apply the rules to a decoded mask, on the decoder's grid.

    Parameters
    ----------
    guess : Tensor, shape (points, points)
        Logits of the isophote mask of the clicks: used where the decoded mask is on the wrong side of a click.
    before : Tensor, shape (points, points), optional
        Logits of the mask before the negative clicks.
    """
    negative: list[Spot] = [(x, y) for x, y in clicks.placed[~clicks.positive].tolist()]
    side = torch.from_numpy(negative_side(isophotes, negative, clicks.held)) if negative else None
    outside = torch.from_numpy(other_objects(isophotes, clicks.held) | companions(isophotes, negative, clicks.held))
    mask = replace(decoded, logits=_remove(decoded.logits, outside & (decoded.logits > 0)))
    for point, spot, positive in zip(clicks.points.tolist(), clicks.placed.tolist(), clicks.positive.tolist(), strict=True):
        if not mask.agrees_with(point, positive):
            mask = replace(mask, logits=_enforce_click(mask.logits, guess, spot, positive, side))
    if side is not None and before is not None:
        rest = (before > 0) & ~side
        bright = rest & ~torch.from_numpy(not_brighter(isophotes, negative, clicks.held))
        for restored in (rest & (guess > 0), rest):
            lost = rest & (_connected(mask, clicks.held).logits <= 0)
            if lost.sum() <= LARGEST_LOSS * rest.sum() and (lost & bright).sum() <= LARGEST_BRIGHT_LOSS * bright.sum():
                break
            mask = replace(mask, logits=torch.where(restored & (mask.logits <= 0), before, mask.logits))
    return _connected(mask, clicks.held)


def select_box_object(decoded: WindowMask, isophotes: Isophotes, peak: Spot) -> WindowMask:
    """Return the part of a decoded mask that is connected to the peak in its box, without other objects."""
    outside = torch.from_numpy(other_objects(isophotes, [peak]))
    return _connected(replace(decoded, logits=_remove(decoded.logits, outside & (decoded.logits > 0))), [peak])


def enforce_clicks(mask: Mask, clicks: Prompt, *, anchors: Mask | None = None) -> Mask:
    """Return a mask with its positive clicks and without its negative ones, of parts with a positive click or of `anchors`.

    Parameters
    ----------
    mask : ndarray of bool, shape (height, width)
    clicks : Prompt
    anchors : ndarray of bool, shape (height, width), optional
        The objects of boxes and drawn masks: parts of the mask that share a pixel with them stay, too.
    """
    columns, rows = clicks.points.astype(int).T
    clicked = mask.copy()
    clicked[rows, columns] = clicks.positive
    parts, count = ndimage.label(clicked)
    selected = np.zeros(count + 1, dtype=bool)
    selected[parts[rows[clicks.positive], columns[clicks.positive]]] = True
    if anchors is not None:
        selected[np.unique(parts[anchors])] = True
    selected[0] = False
    result: Mask = selected[parts]
    return result


def largest_part(mask: Mask) -> Mask:
    """Return the largest connected part of a mask; an empty mask stays empty."""
    parts, _ = ndimage.label(mask)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    result: Mask = (parts == sizes.argmax()) & mask
    return result


def _enforce_click(logits: Tensor, guess: Tensor, spot: Sequence[float], positive: bool, side: Tensor | None) -> Tensor:
    """Change a mask by the isophotes where it does not follow a click, and at least at the points around the click."""
    last, sign = len(logits) - 1, 1.0 if positive else -1.0
    row, column = min(int(spot[1]), last), min(int(spot[0]), last)
    own_side = torch.ones_like(logits, dtype=torch.bool) if side is None else side != positive
    changed = ((guess > 0) == positive) & ((logits > 0) != positive) & own_side
    around = torch.zeros_like(own_side)
    around[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2] = True
    corrected = torch.where(changed, sign * guess.abs().clamp(min=1), logits)
    return torch.where(around & own_side, sign, corrected)


def _connected(mask: WindowMask, spots: Sequence[Spot]) -> WindowMask:
    """Return the parts that hold a spot; where none does, the largest one."""
    parts, count = ndimage.label((mask.logits > 0).numpy())
    if count == 0:
        return mask
    last = len(parts) - 1
    held = {int(parts[min(int(y), last), min(int(x), last)]) for x, y in spots} - {0}
    held = held or {int(np.bincount(parts.ravel())[1:].argmax()) + 1}
    return replace(mask, logits=_remove(mask.logits, torch.from_numpy((parts > 0) & ~np.isin(parts, list(held)))))


def _remove(logits: Tensor, points: Tensor) -> Tensor:
    return logits.masked_fill(points, OUTSIDE)

"""Rules that every prompted mask keeps, whatever the network decoded: they hold for the shipped segmenter and for SAM alike.

A mask holds its positive clicks and none of its negative ones; each of its parts is connected with a positive click, or with
the object of a box or a drawn mask; another object of which the valley lies outside the outline of the clicked one is left out;
a negative click takes away from its own side only. A decoder keeps none of these by itself: one negative point on the edge of a
companion made it drop the galaxy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from backend.heads.segmentation.isophotes import Isophotes, Spot
from backend.heads.segmentation.simulated_clicks import Click
from backend.heads.segmentation.window_mask import WindowMask
from sync.geometry.shapes import Mask

__all__ = ["Asked", "apply_rules", "keep_clicks", "keep_object", "largest_part"]

LARGEST_LOSS, LARGEST_FAINT_LOSS = 0.1, 0.5
"""Negative clicks may cost at most these shares of the mask outside their own side: of what they say nothing of, and of all.

A click on the hill of the object itself says that the outline runs further in, so it speaks of all that is no brighter; a click
on another hill speaks of that one only. What is cut off from all that is asked for counts as lost. Of what is lost beyond these
shares, the part that isophotes keep comes back; where that is too little, all of it.
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a mask in a window is asked for.

    Attributes
    ----------
    clicks, placed : sequence of Click
        The same clicks in pixels of the picture and on the decoder's grid.
    spots : sequence of Spot
        Points of the grid on the objects that are asked for: the positive clicks, and the peaks of what was boxed or drawn.
    """

    clicks: Sequence[Click]
    placed: Sequence[Click]
    spots: Sequence[Spot]


def apply_rules(
    decoded: WindowMask, asked: Asked, isophotes: Isophotes, *, guess: Tensor, before: Tensor | None = None
) -> WindowMask:
    """Bring a decoded mask in line with the rules, on the decoder's grid.

    Parameters
    ----------
    guess : Tensor, shape (points, points)
        Logits of what the clicks mean by isophotes: taken where the mask is on the wrong side of a click.
    before : Tensor, shape (points, points), optional
        Logits of the mask before the negative clicks.
    """
    negative = [(x, y) for x, y, positive in asked.placed if not positive]
    taken = torch.from_numpy(isophotes.side_of(negative, asked.spots)) if negative else None
    outside = torch.from_numpy(isophotes.beyond(asked.spots) | isophotes.companions(negative, asked.spots))
    kept = replace(decoded, logits=decoded.logits.masked_fill(outside & (decoded.logits > 0), -1.0))
    for click, placed in zip(asked.clicks, asked.placed, strict=True):
        if not kept.holds_right(click):
            kept = replace(kept, logits=_corrected(kept.logits, guess, placed, taken))
    if taken is not None and before is not None:
        rest = (before > 0) & ~taken
        bright = rest & ~torch.from_numpy(isophotes.no_brighter(negative, asked.spots))
        for back in (rest & (guess > 0), rest):
            lost = rest & (_connected(kept, asked.spots).logits <= 0)
            if lost.sum() <= LARGEST_FAINT_LOSS * rest.sum() and (lost & bright).sum() <= LARGEST_LOSS * bright.sum():
                break
            kept = replace(kept, logits=torch.where(back & (kept.logits <= 0), before, kept.logits))
    return _connected(kept, asked.spots)


def keep_object(decoded: WindowMask, isophotes: Isophotes, peak: Spot) -> WindowMask:
    """The object of a box in a decoded mask: what is connected with the peak in the box, without other objects."""
    outside = torch.from_numpy(isophotes.beyond([peak]))
    return _connected(replace(decoded, logits=decoded.logits.masked_fill(outside & (decoded.logits > 0), -1.0)), [peak])


def keep_clicks(mask: Mask, clicks: Sequence[Click], *, anchors: Mask | None = None) -> Mask:
    """A mask with its positive clicks and without its negative ones, of parts that are connected with one or with `anchors`.

    Parameters
    ----------
    mask : ndarray of bool, shape (height, width)
    clicks : sequence of Click
        In pixels of the mask, each on another one.
    anchors : ndarray of bool, shape (height, width), optional
        The objects of boxes and drawn masks: parts of the mask that share a pixel with them are kept, too.
    """
    kept = mask.copy()
    for x, y, positive in clicks:
        kept[int(y), int(x)] = positive
    parts, count = ndimage.label(kept)
    wanted = np.zeros(count + 1, dtype=bool)
    wanted[[int(parts[int(y), int(x)]) for x, y, positive in clicks if positive]] = True
    if anchors is not None:
        wanted[np.unique(parts[anchors])] = True
    wanted[0] = False
    result: Mask = wanted[parts]
    return result


def largest_part(mask: Mask) -> Mask:
    """The largest connected part of a mask; an empty one stays empty."""
    parts, _ = ndimage.label(mask)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    result: Mask = (parts == sizes.argmax()) & mask
    return result


def _corrected(logits: Tensor, guess: Tensor, placed: Click, taken: Tensor | None) -> Tensor:
    """The decoder's mask, with what a click that it does not follow means by isophotes, and at least the points around it."""
    x, y, positive = placed
    last, sign = len(logits) - 1, 1.0 if positive else -1.0
    row, column = min(int(y), last), min(int(x), last)
    side = torch.ones_like(logits, dtype=torch.bool) if taken is None else taken != positive
    meant = ((guess > 0) == positive) & ((logits > 0) != positive) & side
    around = torch.zeros_like(side)
    around[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2] = True
    corrected = torch.where(meant, sign * guess.abs().clamp(min=1), logits)
    return torch.where(around & side, sign, corrected)


def _connected(mask: WindowMask, spots: Sequence[Spot]) -> WindowMask:
    """The parts that hold a spot; where none does, the largest one."""
    parts, count = ndimage.label((mask.logits > 0).numpy())
    if count == 0:
        return mask
    last = len(parts) - 1
    held = {int(parts[min(int(y), last), min(int(x), last)]) for x, y in spots} - {0}
    held = held or {int(np.bincount(parts.ravel())[1:].argmax()) + 1}
    dropped = torch.from_numpy((parts > 0) & ~np.isin(parts, list(held)))
    return replace(mask, logits=mask.logits.masked_fill(dropped, -1.0))

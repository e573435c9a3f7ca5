"""The first click on an object: chooses the windows in which it is decoded, and fuses the candidate masks there.

The size of a clicked object is unknown: the decoder first outlines it in the whole image, and then in the smallest window that
contains it. An object that is too small in the whole image is searched from the smallest window up. An outline that the border
of a window cuts is not used. The rules in `rules.py` are then applied to the masks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from backend.heads.segmentation.decoding import Candidates, WindowPrompts, decode
from backend.heads.segmentation.evidence import CLEAR_SNR, click_is_on_light, light_under, peak_over_surroundings
from backend.heads.segmentation.fusion_inputs import FusionInputs
from backend.heads.segmentation.fusion_network import fuse
from backend.heads.segmentation.grid_frame import GridFrame
from backend.heads.segmentation.isophotes import Isophotes, Spot
from backend.heads.segmentation.rules import WindowClicks, enforce_rules
from backend.heads.segmentation.window_cache import WindowReader
from backend.heads.segmentation.window_features import WindowedImage
from backend.heads.segmentation.window_mask import WindowMask
from backend.heads.segmentation.windows import nearest_window
from backend.lvm.tiles import Tile
from sync.geometry.footprint import mask_bounds
from sync.geometry.overlap import mask_overlap

__all__ = ["mask_from_click"]

LEAST_POINTS = 24
"""Smallest number of grid points of an object in a window that resolves it."""
LARGEST_SHARE = 0.6
"""Largest ratio of the longer side of an object to the side of the window that outlines it."""
COMPACT_CONTRAST = 3.0
"""Smallest ratio of the peak of a compact source at the rim of a galaxy to the light around it, for a separate object."""

SAME_OVERLAP = 0.8
"""Overlap of the fused mask with the decoder's above which the decoder's is kept: it follows annotators' outlines more closely.
Chosen on val, where no mask of an outline changes."""


@dataclass(frozen=True, slots=True, eq=False)
class DecodedClick:
    """A click that is decoded in one window.

    Attributes
    ----------
    mask : WindowMask
        The candidate with the highest expected overlap, after the rules.
    spot : Spot
        The click, on the decoder's grid.
    candidates : Candidates
        Before the rules.
    guess : Tensor, shape (points, points)
        Logits of the isophote mask.
    """

    mask: WindowMask
    spot: Spot
    candidates: Candidates
    guess: Tensor


@torch.no_grad()
def mask_from_click(reader: WindowReader, image: WindowedImage, point: Spot) -> WindowMask | None:
    """Return the mask of the object under a positive click, or None on empty sky."""
    windows = [nearest_window(side, point, image.size, shown_px=image.shown_px) for side in image.sides]
    whole = _decode_click(reader, image, windows[0], point)
    is_small = whole.mask.points < LEAST_POINTS
    fitting = [window for window in windows[1:] if is_small or _fits(whole.mask, window)]
    decoding = _smallest_uncut(reader, image, fitting, point) or whole
    if decoding.mask.points and click_is_on_light(reader, image, decoding.mask.window, point):
        smaller = [window for window in windows if window.width < decoding.mask.window.width]
        return _fuse(reader, image, _compact_source(reader, image, decoding.mask, smaller, point) or decoding, point)
    # The object may be too faint in the scaled window of a large image.
    faint = None if is_small else _smallest_uncut(reader, image, windows[1:], point)
    if faint and light_under(reader, image, faint.mask.window, point) >= CLEAR_SNR:
        return _fuse(reader, image, faint, point)
    return None


def _fuse(reader: WindowReader, image: WindowedImage, decoding: DecodedClick, point: Spot) -> WindowMask:
    """Return the mask that the network of fusion makes of the candidates, or the decoder's.

    The decoder's is kept if both are nearly equal, or if its expected overlap is higher.
    """
    if reader.fusion is None:
        return decoding.mask
    window = reader.read(image, decoding.mask.window)[1]
    inputs = FusionInputs.of(window, decoding.spot, decoding.candidates, decoding.guess)
    logits, quality = fuse(reader.fusion, inputs)
    if quality <= decoding.mask.quality:
        return decoding.mask
    fused_mask = replace(decoding.mask, logits=logits, quality=quality)
    fused_mask = _enforce_rules(fused_mask, point, decoding.spot, window.isophotes, decoding.guess)
    fusion_points, decoder_points = (mask.logits.numpy() > 0 for mask in (fused_mask, decoding.mask))
    return decoding.mask if mask_overlap(fusion_points, decoder_points) > SAME_OVERLAP else fused_mask


def _compact_source(
    reader: WindowReader, image: WindowedImage, mask: WindowMask, smaller: Sequence[Tile], point: Spot
) -> DecodedClick | None:
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
    if compact is None or not (rise := peak_over_surroundings(reader, image, compact.mask, point)):
        return None
    if rise >= COMPACT_CONTRAST:
        return compact
    whole = _decode_click(reader, image, mask.window, frame.to_image(isophotes.peak_of(spot)))
    return compact if whole.mask.agrees_with(point, False) else None


def _smallest_uncut(reader: WindowReader, image: WindowedImage, windows: Sequence[Tile], point: Spot) -> DecodedClick | None:
    """Return the object under a click in the smallest of `windows`, largest first, whose border does not cut it."""
    for window in reversed(windows):
        decoding = _decode_click(reader, image, window, point)
        if decoding.mask.points and not decoding.mask.cut:
            return decoding
    return None


def _decode_click(reader: WindowReader, image: WindowedImage, window: Tile, point: Spot) -> DecodedClick:
    frame = GridFrame.of(window, reader.network.config)
    embedding, first_guess = reader.read(image, window)
    spot = frame.spot(point)
    guess = torch.from_numpy(first_guess.isophotes.guess_from_click(spot))
    prompts = WindowPrompts(
        frame.to_shown(np.array([spot])), torch.ones(1, 1), guesses=guess[None] if first_guess.needed else None
    )
    candidates = decode(reader.network, embedding, prompts)
    logits, quality = candidates.select_best()
    best_mask = WindowMask(window, logits[0], float(quality), image.size, image.shown_px)
    mask = _enforce_rules(best_mask, point, spot, first_guess.isophotes, guess)
    return DecodedClick(mask, spot, candidates, guess)


def _enforce_rules(mask: WindowMask, point: Spot, spot: Spot, isophotes: Isophotes, guess: Tensor) -> WindowMask:
    """Apply the rules to a mask of one positive click, in pixels of the image and on the grid."""
    clicks = WindowClicks(np.array([point]), np.array([spot]), np.ones(1, bool), [spot])
    return enforce_rules(mask, clicks, isophotes, guess=guess)


def _fits(mask: WindowMask, window: Tile) -> bool:
    """Return whether an object fits into a smaller window with a margin around it."""
    left, top, right, bottom = mask_bounds((mask.logits > 0).numpy())
    pixels_per_point = mask.shown_px / mask.window.scale / len(mask.logits)
    return max(right - left, bottom - top) * pixels_per_point <= LARGEST_SHARE * max(window.width, window.height)

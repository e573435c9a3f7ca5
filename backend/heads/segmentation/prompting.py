"""Prompting: clicks, boxes and masks in pixels of a picture find the window where the object is seen best, and become its mask.

A click or a box gives a mask, and all further clicks mend it: two passes of the decoder, however many clicks there are. What is
clicked has no size yet: it is looked for in the whole picture first; what is found there says how large it is, and the window
that it fills outlines it anew. What is too small to be seen in the whole picture is looked for from the smallest window up. An
outline that a window's border cuts is not taken. What the network decodes is brought in line with the rules in `rules.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from backend.heads.segmentation.decoding import SURE, WindowPrompts, decode
from backend.heads.segmentation.grid import Edges, on_grid
from backend.heads.segmentation.isophotes import Spot
from backend.heads.segmentation.rules import Asked, apply_rules, keep_object
from backend.heads.segmentation.simulated_clicks import Click
from backend.heads.segmentation.window_cache import WindowReader
from backend.heads.segmentation.window_features import WindowedImage
from backend.heads.segmentation.window_mask import WindowMask
from backend.heads.segmentation.windows import nearest_window, window_around
from backend.lvm.tiles import Tile
from sync.geometry.footprint import mask_bounds
from sync.geometry.shapes import Mask

__all__ = ["boxed", "clicked", "holds_object", "mended", "prefetch"]

LEAST_POINTS = 24
"""What covers fewer points of the decoder's grid is seen too coarsely to be sure of."""
ROOM = 0.6
"""The longer side of an object takes at most this share of the window that outlines it."""
BRIGHT_SNR, CLEAR_SNR = 3.0, 5.0
"""A click is on empty sky where the smoothed light is below the first, in the noise of a pixel, in the window that outlines the
object, and below the second, in the scatter of the smoothed sky, in the whole picture; what has faded in the whole picture must
reach the second in its own window. Both were chosen on val, where all of 98
clicks on galaxies and 2 of 134 on sky are above one of them; `docs/masks.md` has the shares on pictures that chose nothing."""
BOX_EXCESS, BOX_SNR = 2.5, 6.0
"""A box is on empty sky where its middle exceeds what is around it by less than the first, in the scatter there, and its peak
is below the second in the whole picture: the brightest of many points is higher than one point under a click. On 14 crops of
SDSS frames and the Hubble Deep Field all of 299 boxes of extracted sources and 4 of 168 on sky are above one of them."""
STANDS_OUT, AROUND_POINTS = 3.0, 2
"""A compact source on the rim of a galaxy is an object of its own where its peak is so many times the light so near to it."""
AT_ONCE = 16
"""Objects decoded together: bounds the memory."""


def prefetch(windowed_image: WindowedImage, boxes: Sequence[Edges]) -> None:
    """See what a click on any object in these boxes will need, so that it is kept when the click comes."""
    middle = (windowed_image.size[0] / 2, windowed_image.size[1] / 2)
    whole = nearest_window(windowed_image.sides[0], middle, windowed_image.size, shown_px=windowed_image.shown_px)
    around = [
        window_around(box, windowed_image.size, sides=windowed_image.sides, shown_px=windowed_image.shown_px) for box in boxes
    ]
    for window in dict.fromkeys([whole, *around]):
        windowed_image.encode(window)


@torch.no_grad()
def clicked(reader: WindowReader, windowed_image: WindowedImage, click: Click) -> WindowMask | None:
    """The object under a positive click; None on empty sky."""
    x, y, _ = click
    windows = [
        nearest_window(side, (x, y), windowed_image.size, shown_px=windowed_image.shown_px) for side in windowed_image.sides
    ]
    whole = _under(reader, windowed_image, windows[0], click)
    small = whole.points < LEAST_POINTS
    found = _uncut(reader, windowed_image, [one for one in windows[1:] if small or _fits(whole, one)], click) or whole
    if found.points and _on_light(reader, windowed_image, found.window, click):
        smaller = [window for window in windows if window.width < found.window.width]
        return _beside(reader, windowed_image, found, smaller, click) or found
    compact = (
        None if small else _uncut(reader, windowed_image, windows[1:], click)
    )  # in the whole of a large picture it has faded
    return compact if compact and _light(reader, windowed_image, compact.window, click) >= CLEAR_SNR else None


@torch.no_grad()
def holds_object(reader: WindowReader, windowed_image: WindowedImage, box: Edges) -> bool:
    """Whether a box holds more than sky: a middle brighter than what is around it, or a peak clear in the whole picture."""
    window = window_around(box, windowed_image.size, sides=windowed_image.sides, shown_px=windowed_image.shown_px)
    isophotes = reader.read(windowed_image, window)[1].isophotes
    scale = window.scale / _points_per(reader)
    placed = ((torch.tensor([box]) - _corner(window).repeat(2)) * scale)[0].tolist()
    if isophotes.excess((*placed,), (window.width * scale, window.height * scale)) >= BOX_EXCESS:
        return True
    x, y = isophotes.peak_in((*placed,))
    return _contrast(reader, windowed_image, (window.x + x / scale, window.y + y / scale)) >= BOX_SNR


@torch.no_grad()
def boxed(reader: WindowReader, windowed_image: WindowedImage, boxes: Sequence[Edges]) -> list[WindowMask]:
    """The object that each box holds."""
    windows = [
        window_around(box, windowed_image.size, sides=windowed_image.sides, shown_px=windowed_image.shown_px) for box in boxes
    ]
    found: dict[int, WindowMask] = {}
    for window in dict.fromkeys(windows):
        here = [index for index, one in enumerate(windows) if one == window]
        for start in range(0, len(here), AT_ONCE):
            some = here[start : start + AT_ONCE]
            shown = (torch.tensor([boxes[index] for index in some]) - _corner(window).repeat(2)) * window.scale
            embedding, guide = reader.read(windowed_image, window)
            guesses = guide.boxed(shown / _points_per(reader))
            none = torch.zeros(len(some), 0, 2), torch.zeros(len(some), 0)
            logits, quality = decode(reader.network, embedding, WindowPrompts(*none, shown, guesses)).best()
            for index, edges, one, sure in zip(some, shown / _points_per(reader), logits, quality.tolist(), strict=True):
                decoded = WindowMask(window, one, sure, windowed_image.size, windowed_image.shown_px)
                found[index] = keep_object(decoded, guide.isophotes, guide.isophotes.peak_in((*edges.tolist(),)))
    return [found[index] for index in range(len(boxes))]


@torch.no_grad()
def mended(
    reader: WindowReader,
    windowed_image: WindowedImage,
    begun: WindowMask | Mask,
    clicks: Sequence[Click],
    *,
    box: Edges | None = None,
) -> WindowMask:
    """A mask, from `clicked`, `boxed` or drawn (shape (height, width), not empty), after further clicks.

    What positive clicks add is decoded first: negative ones then take away from a mask that is known (`rules.keep_rest`).

    Parameters
    ----------
    clicks : sequence of Click
        All that were given, the one that the mask was begun with among them.
    box : Edges, optional
        The one that the mask was begun with.
    """
    window, base = _begun(reader, windowed_image, begun, clicks)
    embedding, guide = reader.read(windowed_image, window)
    shown = None if box is None else (torch.tensor([box]) - _corner(window).repeat(2)) * window.scale
    starts: list[Spot] = []
    if shown is not None:
        starts = [guide.isophotes.peak_in((*(shown[0] / _points_per(reader)).tolist(),))]
    elif not isinstance(begun, WindowMask):
        starts = guide.isophotes.summits_of((base > 0).numpy())
    found = WindowMask(window, base, 1.0, windowed_image.size, windowed_image.shown_px)
    inside = [click for click in clicks if _on_window(click, window, 1.0) is not None]
    positive = [click for click in inside if click[2]]
    steps = [positive] if len(positive) < len(inside) and not all(found.holds_right(click) for click in positive) else []
    for some in [*steps, inside]:
        placed = [_placed(click, window, 1 / _points_per(reader)) for click in some]
        points = torch.tensor([[(x, y) for x, y, _ in placed]]).reshape(1, -1, 2) * _points_per(reader)
        labels = torch.tensor([[int(sign) for _, _, sign in placed]]).reshape(1, -1)
        guesses = guide.mended(found.logits[None], [placed])
        logits, quality = decode(reader.network, embedding, WindowPrompts(points, labels, shown, guesses)).best()
        decoded = replace(found, logits=logits[0], quality=float(quality))
        asked = Asked(some, placed, [*starts, *((x, y) for x, y, sign in placed if sign)])
        found = apply_rules(decoded, asked, guide.isophotes, guess=guesses[0], before=found.logits)
    return found


def _beside(
    reader: WindowReader, windowed_image: WindowedImage, found: WindowMask, smaller: Sequence[Tile], click: Click
) -> WindowMask | None:
    """A compact source under a click at the rim of a large object, in whose window it is too small to be told apart.

    None where no smaller window has one, and where it hardly exceeds the light around it and the object's own outline, as a
    click on its peak gives it, holds the click: a knot in a spiral arm is a part of the galaxy.
    """
    window, scale = found.window, found.window.scale / _points_per(reader)
    isophotes = reader.read(windowed_image, window)[1].isophotes
    placed = _placed(click, window, 1 / _points_per(reader))[:2]
    if not isophotes.outlies(placed):
        return None
    compact = _uncut(reader, windowed_image, smaller, click)
    if compact is None or not (rise := _rise(reader, windowed_image, compact, click)):
        return None
    if rise >= STANDS_OUT:
        return compact
    x, y = isophotes.summit(placed)
    whole = _under(reader, windowed_image, window, (window.x + x / scale, window.y + y / scale, True))
    return compact if whole.holds_right((*click[:2], False)) else None


def _rise(reader: WindowReader, windowed_image: WindowedImage, found: WindowMask, click: Click) -> float:
    """The peak of the object under a click over the light around its mask; 0 where the mask, a piece of a flank, has none."""
    isophotes = reader.read(windowed_image, found.window)[1].isophotes
    summit = isophotes.summit(_placed(click, found.window, 1 / _points_per(reader))[:2])
    inside = (found.logits > 0).numpy()
    if not inside[int(summit[1]), int(summit[0])]:
        return 0.0
    around = ndimage.binary_dilation(inside, iterations=AROUND_POINTS) & ~inside
    return isophotes.at(summit) / max(float(np.median(isophotes.light[around])), 1.0)


def _uncut(reader: WindowReader, windowed_image: WindowedImage, windows: Sequence[Tile], click: Click) -> WindowMask | None:
    """The object under a click in the smallest of some windows, the largest first, of which the border does not cut it."""
    for window in reversed(windows):
        found = _under(reader, windowed_image, window, click)
        if found.points and not found.cut:
            return found
    return None


def _on_light(reader: WindowReader, windowed_image: WindowedImage, window: Tile, click: Click) -> bool:
    """Whether there is more than sky under a click: bright in a window, or clear in the whole picture."""
    if _light(reader, windowed_image, window, click) >= BRIGHT_SNR:
        return True
    return _contrast(reader, windowed_image, click[:2]) >= CLEAR_SNR


def _contrast(reader: WindowReader, windowed_image: WindowedImage, place: Spot) -> float:
    """The light at a place of the picture in its whole, above the middle of it, in the scatter of the smoothed sky."""
    whole = nearest_window(windowed_image.sides[0], place, windowed_image.size, shown_px=windowed_image.shown_px)
    scale = whole.scale / _points_per(reader)
    shown = (max(int(whole.width * scale), 1), max(int(whole.height * scale), 1))
    spot = (place[0] - whole.x) * scale, (place[1] - whole.y) * scale
    return reader.read(windowed_image, whole)[1].isophotes.contrast(spot, shown)


def _light(reader: WindowReader, windowed_image: WindowedImage, window: Tile, click: Click) -> float:
    """The light under a click in a window, in the noise of a pixel."""
    x, y, _ = _placed(click, window, 1 / _points_per(reader))
    return reader.read(windowed_image, window)[1].isophotes.at((x, y))


def _under(reader: WindowReader, windowed_image: WindowedImage, window: Tile, click: Click) -> WindowMask:
    placed = _placed(click, window, 1 / _points_per(reader))
    embedding, guide = reader.read(windowed_image, window)
    points = torch.tensor([[placed[:2]]]) * _points_per(reader)
    prompts = WindowPrompts(points, torch.ones(1, 1), guesses=guide.clicked([placed]))
    logits, quality = decode(reader.network, embedding, prompts).best()
    decoded = WindowMask(window, logits[0], float(quality), windowed_image.size, windowed_image.shown_px)
    guess = torch.from_numpy(guide.isophotes.around(placed[:2]))
    return apply_rules(decoded, Asked([click], [placed], [placed[:2]]), guide.isophotes, guess=guess)


def _begun(
    reader: WindowReader, windowed_image: WindowedImage, begun: WindowMask | Mask, clicks: Sequence[Click]
) -> tuple[Tile, Tensor]:
    """The window in which a mask and its clicks are seen best, and the mask's logits on its grid."""
    if isinstance(begun, WindowMask) and all(_on_window(click, begun.window, 1.0) for click in clicks if click[2]):
        return begun.window, begun.logits
    mask = begun.mask() if isinstance(begun, WindowMask) else begun
    left, top, right, bottom = mask_bounds(mask)
    places = [(x, y) for x, y, positive in clicks if positive]
    box = (
        min([left, *(x for x, _ in places)]),
        min([top, *(y for _, y in places)]),
        max([right, *(x for x, _ in places)]),
        max([bottom, *(y for _, y in places)]),
    )
    window = window_around(box, windowed_image.size, sides=windowed_image.sides, shown_px=windowed_image.shown_px)
    return window, SURE * (2 * on_grid(mask, window, config=reader.network.config) - 1).sign()


def _on_window(click: Click, window: Tile, per_pixel: float) -> Click | None:
    """A click in pixels of the picture as one on a window, as looked at, times `per_pixel`; None outside it."""
    x, y, positive = click
    if not (window.x <= x < window.x + window.width and window.y <= y < window.y + window.height):
        return None
    scale = window.scale * per_pixel
    return (x - window.x) * scale, (y - window.y) * scale, positive


def _placed(click: Click, window: Tile, per_pixel: float) -> Click:
    placed = _on_window(click, window, per_pixel)
    assert placed is not None, "a window is chosen around its click"
    return placed


def _corner(window: Tile) -> Tensor:
    return torch.tensor([float(window.x), float(window.y)])


def _points_per(reader: WindowReader) -> float:
    """Pixels of a window as looked at, for each point of the decoder's grid."""
    return reader.network.config.shown_px / reader.network.config.points


def _fits(found: WindowMask, window: Tile) -> bool:
    """Whether an object lies in a smaller window with room around it."""
    left, top, right, bottom = mask_bounds((found.logits > 0).numpy())
    per_point = found.shown_px / found.window.scale / len(found.logits)
    return max(right - left, bottom - top) * per_point <= ROOM * max(window.width, window.height)

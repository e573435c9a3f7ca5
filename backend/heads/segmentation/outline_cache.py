"""Kept outlines: what a network outlined in the boxes of a picture, on disk beside what was seen of the picture.

A new version mostly outlines with the network of the version before, in the same boxes: its predictions then cost a read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from safetensors.torch import load, save

from backend.heads.segmentation.grid import Edges
from backend.heads.segmentation.window_features import WindowedImage
from backend.heads.segmentation.window_mask import WindowMask
from backend.heads.segmentation.windows import window_around
from sync.geometry.footprint import mask_bounds

__all__ = ["OUTLINES_VERSION", "kept_outlines"]

OUTLINES_VERSION = "1"
"""Part of the keys: count it up when the same network outlines the same box in another way."""
OUTSIDE = -1.0
"""Logit of the points away from the object, which are not kept."""
BESIDE = 1
"""Points around the object that are kept: between them and the object the outline runs."""


def kept_outlines(
    windowed_image: WindowedImage,
    boxes: Sequence[Edges],
    *,
    network: str,
    find: Callable[[Sequence[Edges]], Sequence[WindowMask]],
) -> list[WindowMask]:
    """The object in each box, read where it is kept, and found and kept where not.

    Parameters
    ----------
    network : str
        Fingerprint of the weights.
    find : callable
        Outlines the objects in some of the boxes.
    """
    names = [f"outline {OUTLINES_VERSION} {network} {box}" for box in boxes]
    kept = {name: windowed_image.recall(name) for name in dict.fromkeys(names)}
    missing = {name: box for name, box in zip(names, boxes, strict=True) if kept[name] is None}
    made = {name: _packed(found) for name, found in zip(missing, find(list(missing.values())) if missing else [], strict=True)}
    for name, packed in made.items():
        windowed_image.keep(name, packed)
    return [_unpacked(kept[name] or made[name], windowed_image, box) for name, box in zip(names, boxes, strict=True)]


def _packed(found: WindowMask) -> bytes:
    """The logits of the object and of the points beside it: of a small one some hundred bytes."""
    inside = (found.logits > 0).numpy()
    left, top, right, bottom = mask_bounds(inside) if inside.any() else (0, 0, 1, 1)
    top, left = max(top - BESIDE, 0), max(left - BESIDE, 0)
    part = found.logits[top : bottom + BESIDE, left : right + BESIDE]
    place = torch.tensor([top, left, len(found.logits)], dtype=torch.int32)
    return save({"logits": part.contiguous(), "place": place, "quality": torch.tensor([found.quality], dtype=torch.float64)})


def _unpacked(packed: bytes, windowed_image: WindowedImage, box: Edges) -> WindowMask:
    stored = load(packed)
    part, (top, left, points) = stored["logits"], stored["place"].tolist()
    logits = torch.from_numpy(np.full((points, points), OUTSIDE, np.float32))
    logits[top : top + part.shape[0], left : left + part.shape[1]] = part
    window = window_around(box, windowed_image.size, sides=windowed_image.sides, shown_px=windowed_image.shown_px)
    return WindowMask(window, logits, float(stored["quality"]), windowed_image.size, windowed_image.shown_px)

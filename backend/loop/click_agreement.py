"""Click agreement: how well a click on each object that an annotator outlined gives that outline, for the gate."""

from __future__ import annotations

from typing import Any

import numpy as np

from backend.heads.masks import PromptedMasks
from backend.heads.matching import mask_overlap
from backend.heads.segmenter.clicks import first_click
from backend.heads.segmenter.sight import PictureSight
from backend.loop.examples import Examples
from backend.observer import Observer
from sync.controls.shapes import Mask, Point
from sync.images.errors import ImageError

__all__ = ["compare_clicks"]

MOST_MASKS = 100
"""Judged in all: more would cost seconds and tell no more."""


def compare_clicks(
    observer: Observer,
    examples: Examples,
    candidate: PromptedMasks,
    live: PromptedMasks,
) -> dict[str, Any] | None:
    """Mean overlap of what one click on each human mask gives, for both heads; None where there is no mask to judge by."""
    overlaps: dict[str, list[float]] = {"candidate": [], "live": []}
    for image in sorted(examples.objects, reverse=True):
        masks = [one.mask for one in examples.objects[image] if one.mask is not None]
        try:
            sight = observer.sight(examples.references[image])
            masks = [mask for mask in masks if mask.shape == sight.size[::-1]][: MOST_MASKS - len(overlaps["live"])]
            judged = [(_overlap(candidate, sight, mask), _overlap(live, sight, mask)) for mask in masks]
        except ImageError:
            continue
        overlaps["candidate"] += [new for new, _ in judged]
        overlaps["live"] += [old for _, old in judged]
    if not overlaps["live"]:
        return None
    return {"judged_on": len(overlaps["live"])} | {name: float(np.mean(values)) for name, values in overlaps.items()}


def _overlap(head: PromptedMasks, sight: PictureSight, mask: Mask) -> float:
    x, y, _ = first_click(mask, np.random.default_rng(0), jitter=0)
    found = head.predict(sight, points=[(Point(x, y), True)])
    return mask_overlap(found[0], mask) if found else 0.0

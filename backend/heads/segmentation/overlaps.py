"""Masks without a click: every detected object's box prompts the segmenter; what two objects claim goes to the surer one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy import ndimage

from backend.heads.detection.detected import Detected
from backend.heads.extraction.extract import Source
from backend.heads.extraction.outlines import tighten
from backend.heads.segmentation.prompted_masks import PromptedMasks
from backend.heads.segmentation.window_features import WindowedImage
from backend.heads.segmentation.window_mask import WindowMask
from sync.geometry.shapes import Box, Mask

__all__ = ["in_one_part", "outlined", "separated"]

LEAST_LEFT = 0.2
"""An object of which others claim more than the rest keeps the outline that it was detected with."""


def outlined(found: Sequence[Detected], head: PromptedMasks, windowed_image: WindowedImage) -> tuple[Detected, ...]:
    """Objects with masks in the place of the outlines that they were detected with; boxes and ellipses stay.

    Raises
    ------
    ImageError
        If the picture is needed and cannot be read.
    """
    masks = head.outline(windowed_image, [one.source.box for one in found])
    return tuple(
        one if part is None else replace(one, source=replace(one.source, crop=part[0], corner=part[1]))
        for one, part in zip(found, separated(masks), strict=True)
    )


def in_one_part(source: Source) -> Source:
    """A source with the largest part of its mask alone, and the box around it: an object is one region on the page."""
    parts, count = ndimage.label(source.crop)
    largest = parts == 1 + int(np.bincount(parts.ravel())[1:].argmax()) if count > 1 else source.crop
    crop, corner = tighten(largest, corner=source.corner)
    return replace(source, crop=crop, corner=corner, box=Box(corner[0], corner[1], crop.shape[1], crop.shape[0]))


def separated(masks: Sequence[WindowMask]) -> list[tuple[Mask, tuple[int, int]] | None]:
    """Masks of one picture that share no pixel: each goes to the object that is surest of it.

    Returns
    -------
    list
        For each mask a tight crop and the (x, y) of its top-left pixel; None where too little is left.
    """
    if not masks:
        return []
    width, height = masks[0].size
    surest = np.zeros((height, width), np.float32)
    owner = np.full((height, width), -1, np.int32)
    areas = []
    for number, one in enumerate(masks):
        pixels, window = one.pixels.numpy(), one.window
        rows, columns = slice(window.y, window.y + window.height), slice(window.x, window.x + window.width)
        wins = pixels > surest[rows, columns]
        surest[rows, columns][wins] = pixels[wins]
        owner[rows, columns][wins] = number
        areas.append(int((pixels > 0).sum()))
    parts: list[tuple[Mask, tuple[int, int]] | None] = []
    for number, (one, area) in enumerate(zip(masks, areas, strict=True)):
        window = one.window
        own = owner[window.y : window.y + window.height, window.x : window.x + window.width] == number
        left = int(own.sum())
        parts.append(tighten(own, corner=(window.x, window.y)) if left and left >= LEAST_LEFT * area else None)
    return parts

"""Masks of detected objects: the box of an object is a prompt of the segmenter, and overlaps of masks are resolved.

A pixel in the masks of two objects is assigned to the mask with the higher logit. Small objects keep the outline of source
extraction where the segmenter does not improve it (`PromptedMasks.decoded_from_px`); their pixels belong to no other mask.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy import ndimage

from backend.heads.detection.detected import Detected
from backend.heads.extraction.outlines import tighten
from backend.heads.extraction.source import Source
from backend.heads.segmentation.prompted_masks import PromptedMasks
from backend.heads.segmentation.window_features import WindowedImage
from backend.heads.segmentation.window_mask import WindowMask
from sync.geometry.shapes import Box, Mask

__all__ = ["largest_part_of", "outline_detections", "resolve_overlaps"]

LEAST_LEFT = 0.2
"""Smallest fraction of a mask that must remain; otherwise the object keeps the outline from its detection."""


def outline_detections(objects: Sequence[Detected], head: PromptedMasks, image: WindowedImage) -> tuple[Detected, ...]:
    """Replace the outlines of detected objects with masks of the segmenter; boxes and ellipses do not change.

    Objects that are small for the segmenter keep the outline that source extraction measured.

    Raises
    ------
    ImageError
        If the image is needed and cannot be read.
    """
    is_kept = [head.keeps_outline(each.source) for each in objects]
    masks = head.outline(image, [each.source.box for each, keeps in zip(objects, is_kept, strict=True) if not keeps])
    parts = iter(
        resolve_overlaps(masks, other_sources=[each.source for each, keeps in zip(objects, is_kept, strict=True) if keeps])
    )
    return tuple(
        each
        if keeps or (part := next(parts)) is None
        else replace(each, source=replace(each.source, crop=part[0], corner=part[1]))
        for each, keeps in zip(objects, is_kept, strict=True)
    )


def largest_part_of(source: Source) -> Source:
    """Reduce a source to the largest part of its mask and its bounding box, since an object is one region in Label Studio."""
    parts, count = ndimage.label(source.crop)
    largest = parts == 1 + int(np.bincount(parts.ravel())[1:].argmax()) if count > 1 else source.crop
    crop, corner = tighten(largest, corner=source.corner)
    return replace(source, crop=crop, corner=corner, box=Box(corner[0], corner[1], crop.shape[1], crop.shape[0]))


def resolve_overlaps(
    masks: Sequence[WindowMask], *, other_sources: Sequence[Source] = ()
) -> list[tuple[Mask, tuple[int, int]] | None]:
    """Make masks of one image disjoint: each pixel is assigned to the mask with the highest logit.

    Parameters
    ----------
    masks : sequence of WindowMask
    other_sources : sequence of Source
        Other objects of the image, whose pixels belong to no mask.

    Returns
    -------
    list
        For each mask its crop to the bounding box and the (x, y) of the first pixel; None if less than `LEAST_LEFT` remains.
    """
    if not masks:
        return []
    width, height = masks[0].size
    highest = np.zeros((height, width), np.float32)
    for source in other_sources:
        x, y = source.corner
        highest[y : y + source.crop.shape[0], x : x + source.crop.shape[1]][source.crop] = np.inf
    owner = np.full((height, width), -1, np.int32)
    areas = []
    for number, mask in enumerate(masks):
        pixels, window = mask.pixels.numpy(), mask.window
        rows, columns = slice(window.y, window.y + window.height), slice(window.x, window.x + window.width)
        wins = pixels > highest[rows, columns]
        highest[rows, columns][wins] = pixels[wins]
        owner[rows, columns][wins] = number
        areas.append(int((pixels > 0).sum()))
    parts: list[tuple[Mask, tuple[int, int]] | None] = []
    for number, (mask, area) in enumerate(zip(masks, areas, strict=True)):
        window = mask.window
        is_own = owner[window.y : window.y + window.height, window.x : window.x + window.width] == number
        left = int(is_own.sum())
        parts.append(tighten(is_own, corner=(window.x, window.y)) if left and left >= LEAST_LEFT * area else None)
    return parts

"""The mask of a prompt: the union of the objects of all its boxes, its clicks and its mask."""

from __future__ import annotations

import numpy as np

from backend.heads.segmentation.evidence import box_holds_object
from backend.heads.segmentation.first_click import mask_from_click
from backend.heads.segmentation.grid import Edges
from backend.heads.segmentation.isophotes import Spot
from backend.heads.segmentation.prompt import Prompt
from backend.heads.segmentation.prompting import masks_from_boxes, refine_mask
from backend.heads.segmentation.rules import enforce_clicks, largest_part
from backend.heads.segmentation.window_cache import WindowReader
from backend.heads.segmentation.window_features import WindowedImage
from backend.heads.segmentation.window_mask import WindowMask
from sync.geometry.shapes import Mask

__all__ = ["answer_prompt"]


def answer_prompt(reader: WindowReader, image: WindowedImage, prompt: Prompt) -> tuple[Mask, float] | None:
    """Return the mask that a prompt selects, shape (height, width), and its expected overlap; see `PromptedMasks.predict`."""
    boxes: list[Edges] = [
        (left, top, right, bottom)
        for left, top, right, bottom in prompt.boxes.tolist()
        if box_holds_object(reader, image, (left, top, right, bottom))
    ]
    if prompt.mask is None and not boxes:
        prompt = _without_leading_sky_clicks(reader, image, prompt)
    objects = _objects(reader, image, prompt, boxes)
    if not objects:
        return None
    masks = [window_mask.mask() for window_mask in objects]
    anchors = [largest_part(mask) for mask in masks[: len(boxes)]] + ([prompt.mask] if prompt.mask is not None else [])
    pixels = enforce_clicks(np.logical_or.reduce(masks), prompt, anchors=np.logical_or.reduce(anchors) if anchors else None)
    return (pixels, float(np.mean([window_mask.quality for window_mask in objects]))) if pixels.any() else None


def _objects(reader: WindowReader, image: WindowedImage, prompt: Prompt, boxes: list[Edges]) -> list[WindowMask]:
    """Return one object for each box, and one for the mask or for the clicks outside all boxes."""
    objects: list[WindowMask] = []
    outside = np.ones(len(prompt.points), bool)
    for box, mask in zip(boxes, masks_from_boxes(reader, image, boxes), strict=True):
        inside = prompt.in_box(box)
        outside &= ~inside
        clicks = prompt.select(inside | ~prompt.positive)
        objects.append(refine_mask(reader, image, mask, clicks, box=box) if len(clicks.points) else mask)
    clicks = prompt.select(outside | ~prompt.positive)
    if prompt.mask is not None and prompt.mask.any():
        return [*objects, refine_mask(reader, image, prompt.mask, clicks)]
    for point in _spots(clicks, positive=True):
        first = _first_mask(reader, image, point)
        if first is not None:
            return [*objects, refine_mask(reader, image, first, clicks) if len(clicks.points) > 1 else first]
    return objects


def _without_leading_sky_clicks(reader: WindowReader, image: WindowedImage, prompt: Prompt) -> Prompt:
    """Remove the positive clicks on empty sky before the first click on an object.

    These clicks got no mask, but Label Studio keeps their points and sends them again with each later click.
    """
    for index, (point, positive) in enumerate(zip(prompt.points.tolist(), prompt.positive.tolist(), strict=True)):
        if positive and _first_mask(reader, image, (point[0], point[1])) is not None:
            return prompt.select((np.arange(len(prompt.points)) >= index) | ~prompt.positive)
    return prompt


def _first_mask(reader: WindowReader, image: WindowedImage, point: Spot) -> WindowMask | None:
    return reader.remember(image, point, lambda: mask_from_click(reader, image, point))


def _spots(clicks: Prompt, *, positive: bool) -> list[Spot]:
    return [(x, y) for x, y in clicks.points[clicks.positive == positive].tolist()]

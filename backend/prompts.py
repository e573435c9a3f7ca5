"""Prompts: clicks, boxes and drawn masks of an interactive request become one object, in the control that the project has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from backend.heads.masks import PromptedMasks
from backend.heads.segmenter.sight import PictureSight
from backend.project_heads import prompt_target
from backend.regions import regions_of_mask
from sync.controls import brushlabels, keypointlabels, polygonlabels, rectanglelabels
from sync.controls.errors import ControlError
from sync.controls.polygonlabels import rasterise
from sync.controls.shapes import Box, Mask, Point, Size
from sync.labelconfig import LabelConfig
from sync.task_images import page_of, place_region

__all__ = ["answer_prompts"]

KINDS = ("keypointlabels", "rectanglelabels", "brushlabels", "polygonlabels")
"""Types of regions that prompt."""
MAX_PROMPTS = 200
"""More clicks on one object are no work of a person."""


def answer_prompts(
    prompts: object,
    *,
    config: LabelConfig,
    head: PromptedMasks,
    sight_of: Callable[[str, int], PictureSight],
) -> list[dict[str, Any]]:
    """Find the object that prompts point at.

    Parameters
    ----------
    prompts : object
        What the request calls its result: a list of regions, or anything at all.
    head : PromptedMasks
        Selects and refines the object.
    sight_of : callable
        From the name of an Image tag and a page to the picture as the segmenter sees it; not called when there is no prompt.

    Returns
    -------
    list of dict
        Regions with fresh ids; empty where there is no prompt, no object, or no control that takes one.

    Raises
    ------
    ValueError
        If a prompt makes no sense; the message is a sentence.
    ImageError
        If the picture cannot be read.
    """
    if not isinstance(prompts, list) or not prompts:
        return []
    if len(prompts) > MAX_PROMPTS:
        raise ControlError(f"{len(prompts)} prompts were sent for one object, at most {MAX_PROMPTS} are read")
    label, from_name = "", None
    points: list[tuple[Point, Size, bool]] = []
    boxes: list[tuple[Box, Size]] = []
    masks: list[Mask] = []
    on_one_image, (to_name, page) = _on_one_image(prompts)
    for prompt in on_one_image:
        kind = prompt["type"]
        if kind == "keypointlabels":
            point = keypointlabels.decode(dict(prompt))
            points.append((point.shape, point.size, point.positive))
            label = point.label
        elif kind == "rectanglelabels":
            box = rectanglelabels.decode(dict(prompt))
            boxes.append((box.shape, box.size))
            label = box.label
        elif kind == "brushlabels":
            brushed = brushlabels.decode(dict(prompt))
            masks.append(brushed.shape)
            label = brushed.label
        else:
            polygon = polygonlabels.decode(dict(prompt))
            masks.append(rasterise(polygon.shape, polygon.size))
            label = polygon.label
        from_name = prompt.get("from_name")
    target = prompt_target(config, label=label, to_name=to_name, from_name=from_name) if on_one_image else None
    if target is None:
        return []
    control, label = target
    sight = sight_of(to_name, page)
    size = sight.size
    found = head.predict(
        sight,
        points=[(_scaled_point(point, shown, size), positive) for point, shown, positive in points],
        boxes=[_scaled_box(box, shown, size) for box, shown in boxes],
        mask=_together(masks, size),
    )
    if found is None:
        return []
    mask, quality = found
    regions = regions_of_mask(mask, control=control, label=label, score=float(np.clip(quality, 0, 1)))
    return [place_region(region, config, (to_name, page)) for region in regions]


def _on_one_image(prompts: list[Any]) -> tuple[list[Any], tuple[str, int]]:
    """The prompts on the page of the newest one, and that page: Label Studio sends the prompts of all pages together."""
    drawn = [prompt for prompt in prompts if isinstance(prompt, Mapping) and prompt.get("type") in KINDS]
    images = [(str(prompt.get("to_name") or ""), page_of(prompt)) for prompt in drawn]
    if not images:
        return [], ("", 0)
    return [prompt for prompt, image in zip(drawn, images, strict=True) if image == images[-1]], images[-1]


def _together(masks: list[Mask], size: Size) -> Mask | None:
    """All drawn masks as one, of an image of `size` (width, height)."""
    for mask in masks:
        if mask.shape != size[::-1]:
            shown = f"{mask.shape[1]}x{mask.shape[0]}"
            raise ControlError(f"a mask of {shown} pixels does not fit an image of {size[0]}x{size[1]}")
    union: Mask | None = np.logical_or.reduce(masks) if masks else None
    return union


def _scaled_point(point: Point, shown: Size, size: Size) -> Point:
    """Move a point from the image as the browser says it is to the image as it is."""
    return Point(point.x * size[0] / shown[0], point.y * size[1] / shown[1])


def _scaled_box(box: Box, shown: Size, size: Size) -> Box:
    across, down = size[0] / shown[0], size[1] / shown[1]
    return Box(box.x * across, box.y * down, box.width * across, box.height * down, box.rotation)

"""Prompts: clicks, boxes and drawn masks of an interactive request become one object, in the control that the project has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from backend.heads.masks import PromptedMasks
from backend.heads.segmenter.sight import PictureSight
from backend.on_screen import object_hit, regions_on_screen, stored_ids
from backend.project_heads import prompt_target
from backend.prompt_choice import PROMPT_TYPES, choose_prompts
from backend.regions import regions_of_mask
from sync.controls import CONTROLS
from sync.controls.errors import ControlError
from sync.controls.polygonlabels import rasterise
from sync.controls.shapes import Box, Ellipse, Labelled, Mask, Point, Polygon, Size
from sync.export.footprints import ellipse_box
from sync.labelconfig import LabelConfig
from sync.task_images import image_of_region, place_region

__all__ = ["answer_prompts"]

MAX_PROMPTS = 200
"""More clicks on one object are no work of a person."""


def answer_prompts(
    prompts: object,
    *,
    task: Mapping[str, Any],
    config: LabelConfig,
    head: PromptedMasks,
    sight_of: Callable[[str, int], PictureSight],
) -> list[dict[str, Any]]:
    """Find the object that prompts point at.

    Parameters
    ----------
    prompts : object
        What the request calls its result: a list of regions, or anything at all; `choose_prompts` says which of them prompt.
    task : mapping
        The task as the request has it: with predictions, annotations and drafts, where there are any.
    head : PromptedMasks
        Selects and refines the object.
    sight_of : callable
        From the name of an Image tag and a page to the picture as the segmenter sees it; not called when there is no prompt.

    Returns
    -------
    list of dict
        Regions with fresh ids; what mends an object on the screen has that object's id, and takes its place when it is
        accepted. Empty where there is no prompt, no object, or no control that takes one.

    Raises
    ------
    ValueError
        If a prompt makes no sense; the message is a sentence.
    ImageError
        If the picture cannot be read.
    """
    if not isinstance(prompts, list) or not prompts:
        return []
    chosen, image = choose_prompts(prompts, config, stored=stored_ids(task))
    if len(chosen) > MAX_PROMPTS:
        raise ControlError(f"{len(chosen)} prompts were sent for one object, at most {MAX_PROMPTS} are read")
    drawn = [CONTROLS[PROMPT_TYPES[str(prompt["type"])]].decode(dict(prompt)) for prompt in chosen]
    target = None
    if drawn:
        target = prompt_target(config, label=drawn[-1].label, to_name=image[0], from_name=chosen[-1].get("from_name"))
    if target is None:
        return []
    control, label = target
    sight = sight_of(*image)
    size = sight.size
    points = [(_scaled_point(one.shape, one.size, size), one.positive) for one in drawn if isinstance(one.shape, Point)]
    boxes = [_scaled_box(box, one.size, size) for one in drawn if (box := _box_of(one.shape)) is not None]
    masks = [mask for one in drawn if (mask := _mask_of(one, size)) is not None]
    hit = None
    if points and not boxes and not masks:
        shown = [region for region in regions_on_screen(task) if _lies_on(region, image, config)]
        hit = object_hit(shown, points, control=control, label=label, size=size)
    found = head.predict(sight, points=points, boxes=boxes, mask=hit.mask if hit else _together(masks))
    if found is None:
        return []
    mask, quality = found
    regions = regions_of_mask(mask, control=control, label=label, score=float(np.clip(quality, 0, 1)))
    if hit and hit.id:
        regions[0]["id"] = hit.id
    return [place_region(region, config, image) for region in regions]


def _lies_on(region: Mapping[str, Any], image: tuple[str, int], config: LabelConfig) -> bool:
    """Whether a region on the screen lies on the image that was prompted on."""
    control = config.control(region.get("from_name"))
    try:
        return control is not None and image_of_region(region, control, config) == image
    except ControlError:
        return False


def _box_of(shape: object) -> Box | None:
    """A box, or the upright one around an ellipse: both say which object is meant."""
    if isinstance(shape, Box):
        return shape
    return ellipse_box(shape) if isinstance(shape, Ellipse) else None


def _mask_of(drawn: Labelled[Any], size: Size) -> Mask | None:
    """The mask of a brush or a polygon, of an image of `size` (width, height)."""
    if isinstance(drawn.shape, Polygon):
        return rasterise(Polygon(drawn.shape.points * np.divide(size, drawn.size)), size)
    if not isinstance(drawn.shape, np.ndarray):
        return None
    if drawn.shape.shape != size[::-1]:
        shown = f"{drawn.shape.shape[1]}x{drawn.shape.shape[0]}"
        raise ControlError(f"a mask of {shown} pixels does not fit an image of {size[0]}x{size[1]}")
    return drawn.shape


def _together(masks: Sequence[Mask]) -> Mask | None:
    """All drawn masks as one."""
    union: Mask | None = np.logical_or.reduce(masks) if masks else None
    return union


def _scaled_point(point: Point, shown: Size, size: Size) -> Point:
    """Move a point from the image as the browser says it is to the image as it is."""
    return Point(point.x * size[0] / shown[0], point.y * size[1] / shown[1])


def _scaled_box(box: Box, shown: Size, size: Size) -> Box:
    across, down = size[0] / shown[0], size[1] / shown[1]
    return Box(box.x * across, box.y * down, box.width * across, box.height * down, box.rotation)

"""Prompts: clicks, boxes and drawn masks of an interactive request become one object, in the control that the project has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from backend.heads.segmentation.prompted_masks import PromptedMasks
from backend.heads.segmentation.window_features import WindowedImage
from backend.prediction.on_screen import object_hit, regions_on_screen, stored_ids
from backend.prediction.project_heads import prompt_target
from backend.prediction.prompt_choice import PROMPT_TYPES, choose_prompts
from backend.prediction.regions import regions_of_mask
from sync.controls import CONTROLS
from sync.controls.region import read_labels, read_value
from sync.controls.rle import pixel_count
from sync.errors.controls import ControlError
from sync.geometry.corners import ellipse_box
from sync.geometry.footprint import Footprint
from sync.geometry.shapes import Box, Ellipse, Mask, Point, Polygon, Size
from sync.label_studio.task_images import image_of_region, place_region
from sync.labelling.config import LabelConfig

__all__ = ["answer_prompts"]

MAX_PROMPTS = 200
"""More clicks on one object are no work of a person."""
MOST_MASK_PIXELS = 400_000_000
"""Of the masks of one request together: a second at most; on a picture of 2 million pixels as many as prompts are read."""
MASKS = ("BrushLabels", "PolygonLabels")


def answer_prompts(
    prompts: object,
    *,
    task: Mapping[str, Any],
    config: LabelConfig,
    head: PromptedMasks,
    windowed_image_of: Callable[[str, int], WindowedImage],
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
    if not chosen:
        return []
    target = prompt_target(config, label=_label_of(chosen[-1]), to_name=image[0], from_name=chosen[-1].get("from_name"))
    if target is None:
        return []
    control, label = target
    windowed_image = windowed_image_of(*image)
    size = windowed_image.size
    _check_cost(chosen, size)
    # In pixels of the picture as it is: what a prompt states of its size is not believed, and costs nothing.
    drawn = [CONTROLS[_tag_of(prompt)].decode(dict(prompt), size=size) for prompt in chosen if _tag_of(prompt) not in MASKS]
    points = [(one.shape, one.positive) for one in drawn if isinstance(one.shape, Point)]
    boxes = [box for one in drawn if (box := _box_of(one.shape)) is not None]
    masks = [prompt for prompt in chosen if _tag_of(prompt) in MASKS]
    hit = None
    if points and not boxes and not masks:
        shown = [region for region in regions_on_screen(task) if _lies_on(region, image, config)]
        hit = object_hit(shown, points, control=control, label=label, size=size)
    found = head.predict(windowed_image, points=points, boxes=boxes, mask=hit.mask if hit else _together(masks, size))
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


def _tag_of(prompt: Mapping[str, Any]) -> str:
    return PROMPT_TYPES[str(prompt["type"])]


def _label_of(prompt: Mapping[str, Any]) -> str:
    tag = _tag_of(prompt)
    return read_labels(read_value(prompt, tag), tag)[0]


def _check_cost(prompts: Sequence[Mapping[str, Any]], size: Size) -> None:
    """Refuse masks that cost too much on a picture of `size` (width, height), before any of them is unpacked."""
    pixels = size[0] * size[1]
    masks = [prompt for prompt in prompts if _tag_of(prompt) in MASKS]
    if len(masks) * pixels > MOST_MASK_PIXELS:
        raise ControlError(
            f"{len(masks)} masks were sent for one object on a picture of {size[0]}x{size[1]} pixels; "
            f"at most {MOST_MASK_PIXELS // pixels} are read"
        )
    for prompt in masks:
        if _tag_of(prompt) == "BrushLabels":
            drawn_on = pixel_count(read_value(prompt, "BrushLabels").get("rle"))
            if drawn_on != pixels:
                raise ControlError(f"a mask of {drawn_on} pixels does not fit an image of {size[0]}x{size[1]}")


def _together(prompts: Sequence[Mapping[str, Any]], size: Size) -> Mask | None:
    """All drawn masks of an image of `size` (width, height) as one."""
    if not prompts:
        return None
    union = np.zeros(size[::-1], dtype=np.bool_)
    for prompt in prompts:
        shape = CONTROLS[_tag_of(prompt)].decode(dict(prompt), size=size).shape
        if isinstance(shape, Polygon):
            Footprint.of_polygon(shape, size).paint(union)
        else:
            union |= shape
    return union

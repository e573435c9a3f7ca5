"""Prompts: clicks, boxes and drawn masks of an interactive request become one object, in a control of the project."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backend.heads.segmentation.prompt import Prompt
from backend.heads.segmentation.prompted_masks import PromptedMasks
from backend.heads.segmentation.window_features import WindowedImage
from backend.prediction.on_screen import ShownObject, object_hit, regions_on_screen, stored_ids
from backend.prediction.project_heads import prompt_target
from backend.prediction.prompt_choice import choose_prompts
from backend.prediction.regions import regions_of_mask
from sync.controls import MASKS, PIXELS, SHAPES, TAG_OF_TYPE
from sync.controls.region import read_labels, read_value
from sync.errors.controls import ControlError
from sync.geometry.corners import ellipse_box
from sync.geometry.footprint import Footprint
from sync.geometry.shapes import Box, Ellipse, Mask, Point, Polygon, Size
from sync.label_studio.task_images import image_of_region, place_region
from sync.labelling.config import LabelConfig

__all__ = ["answer_prompts"]

MAX_PROMPTS = 200
"""Largest number of prompts for one object; no annotator needs more."""
MOST_MASK_PIXELS = 400_000_000
"""Largest number of pixels in all masks of one request, which take a second; on an image of 2 million pixels `MAX_PROMPTS`
masks."""


def answer_prompts(
    prompts: object,
    *,
    task: Mapping[str, Any],
    config: LabelConfig,
    head: PromptedMasks,
    windowed_image_of: Callable[[str, int], WindowedImage],
) -> list[dict[str, Any]]:
    """Return the object that prompts select.

    Parameters
    ----------
    prompts : object
        The result of the request: a list of regions, or any other JSON value; `choose_prompts` selects the prompts among them.
    task : mapping
        The task of the request, with its predictions, annotations and drafts, if any.
    config : LabelConfig
    head : PromptedMasks
        Selects and refines the object.
    windowed_image_of : callable
        From the name of an Image tag and a page to the image; not called without a prompt.

    Returns
    -------
    list of dict
        Regions with new ids; a region that refines a shown object has the id of that object, and replaces it when the annotator
        accepts it. Empty without a prompt, an object, or a control for it.

    Raises
    ------
    ValueError
        If a prompt is invalid; the message is a sentence.
    ImageError
        If the image cannot be read.
    """
    if not isinstance(prompts, list) or not prompts:
        return []
    prompt_regions, place = choose_prompts(prompts, config, stored_region_ids=stored_ids(task))
    if len(prompt_regions) > MAX_PROMPTS:
        raise ControlError(f"{len(prompt_regions)} prompts were sent for one object, at most {MAX_PROMPTS} are read")
    if not prompt_regions:
        return []
    target = prompt_target(
        config, label=_label_of(prompt_regions[-1]), to_name=place[0], from_name=prompt_regions[-1].get("from_name")
    )
    if target is None:
        return []
    control, label = target
    image = windowed_image_of(*place)
    prompt = _decode(prompt_regions, image.size)
    shown_object: ShownObject | None = None
    if prompt.points and not prompt.boxes and prompt.mask is None:
        on_screen = [region for region in regions_on_screen(task) if _is_on_image(region, place, config)]
        shown_object = object_hit(on_screen, prompt.points, control=control, label=label, size=image.size)
    mask = shown_object.mask if shown_object else prompt.mask
    answer = head.predict(image, Prompt.of(image.size, points=prompt.points, boxes=prompt.boxes, mask=mask))
    if answer is None:
        return []
    outline, quality = answer
    regions = regions_of_mask(outline, control=control, label=label, score=float(np.clip(quality, 0, 1)))
    if shown_object and shown_object.id:
        regions[0]["id"] = shown_object.id
    return [place_region(region, config, place) for region in regions]


@dataclass(frozen=True, slots=True, eq=False)
class _DrawnPrompts:
    """The shapes of prompts, in pixels of the image: points with their signs, boxes, and the union of all masks."""

    points: list[tuple[Point, bool]]
    boxes: list[Box]
    mask: Mask | None


def _decode(prompts: Sequence[Mapping[str, Any]], size: Size) -> _DrawnPrompts:
    """Decode prompts in pixels of an image of `size` (width, height); the size that a prompt itself states is ignored."""
    masks = [prompt for prompt in prompts if _tag_of(prompt) in MASKS]
    _check_cost(masks, size)
    shapes = [SHAPES[_tag_of(prompt)].decode(dict(prompt), size=size) for prompt in prompts if _tag_of(prompt) not in MASKS]
    return _DrawnPrompts(
        points=[(shape.shape, shape.positive) for shape in shapes if isinstance(shape.shape, Point)],
        boxes=[box for shape in shapes if (box := _box_of(shape.shape)) is not None],
        mask=_unite(masks, size),
    )


def _is_on_image(region: Mapping[str, Any], place: tuple[str, int], config: LabelConfig) -> bool:
    """Return whether a shown region is on an image, given by the name of an Image tag and a page."""
    control = config.control(region.get("from_name"))
    try:
        return control is not None and image_of_region(region, control, config) == place
    except ControlError:
        return False


def _box_of(shape: object) -> Box | None:
    """Return a box, or the upright box around an ellipse; None for other shapes."""
    if isinstance(shape, Box):
        return shape
    return ellipse_box(shape) if isinstance(shape, Ellipse) else None


def _tag_of(prompt: Mapping[str, Any]) -> str:
    return TAG_OF_TYPE[str(prompt["type"])]


def _label_of(prompt: Mapping[str, Any]) -> str:
    tag = _tag_of(prompt)
    return read_labels(read_value(prompt, tag), tag)[0]


def _check_cost(masks: Sequence[Mapping[str, Any]], size: Size) -> None:
    """Refuse masks that cost too much on an image of `size` (width, height), before any of them is decompressed."""
    pixels = size[0] * size[1]
    if len(masks) * pixels > MOST_MASK_PIXELS:
        raise ControlError(
            f"{len(masks)} masks were sent for one object on an image of {size[0]}x{size[1]} pixels; "
            f"at most {MOST_MASK_PIXELS // pixels} are read"
        )
    for prompt in masks:
        codec = PIXELS.get(_tag_of(prompt))
        readable_size = (
            codec.readable_size(prompt) if codec else None
        )  # None: `decode` reads the mask only if it fits the image
        if readable_size and readable_size[0] * readable_size[1] != pixels:
            raise ControlError(
                f"a mask of {readable_size[0] * readable_size[1]} pixels does not fit an image of {size[0]}x{size[1]}"
            )


def _unite(masks: Sequence[Mapping[str, Any]], size: Size) -> Mask | None:
    """Return the union of drawn masks on an image of `size` (width, height); None without any."""
    if not masks:
        return None
    union = np.zeros(size[::-1], dtype=np.bool_)
    for prompt in masks:
        shape = SHAPES[_tag_of(prompt)].decode(dict(prompt), size=size).shape
        if isinstance(shape, Polygon):
            Footprint.of_polygon(shape, size).paint(union)
        else:
            union |= shape
    return union

"""Images of a task, and the image of a region.

A task may have several Image tags, and an Image tag with `valueList` several pages. Label Studio stores the tag in a region's
`to_name` and the page in its `item_index`, which starts at 0 and is missing for tags without pages.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from sync.controls.region import Region
from sync.errors.controls import ControlError, quote
from sync.labelling.config import Control, LabelConfig

__all__ = ["image_of_region", "images_of_control", "page_of", "place_region", "reference_of_image", "references_of", "value_at"]

_STEP = re.compile(r"[^.\[\]]+")


def references_of(data: Mapping[str, Any], config: LabelConfig, to_name: str) -> list[str]:
    """Return the reference of each page of an Image tag, one for a tag without pages; "" if the value is not a string."""
    value = value_at(data, config.image_key.get(to_name, ""))
    if to_name not in config.paged_images:
        return [_text(value[0] if isinstance(value, list) and value else value)]
    return [_text(page) for page in value] if isinstance(value, list) and value else [_text(value)]


def reference_of_image(data: Mapping[str, Any], config: LabelConfig, image: tuple[str, int]) -> str:
    """Return the reference of one image, given by the name of its tag and its page; empty if the task has none."""
    to_name, page = image
    references = references_of(data, config, to_name)
    return references[page] if page < len(references) else ""


def images_of_control(data: Mapping[str, Any], config: LabelConfig, control: Control) -> list[tuple[str, int]]:
    """Return the images of a task on which a control is predicted, as names of Image tags and pages.

    A control for objects is predicted on all pages of all its images; any other control on the first page of its first image
    or, with `perItem`, on all pages of its first image.
    """
    if control.marks_objects:
        return [(name, page) for name in control.to_names for page in range(len(references_of(data, config, name)))]
    pages = len(references_of(data, config, control.to_name)) if control.per_item else 1
    return [(control.to_name, page) for page in range(pages)]


def image_of_region(region: Mapping[str, Any], control: Control, config: LabelConfig) -> tuple[str, int]:
    """Return the image of a region of `control`, as the name of its Image tag and its page.

    Raises
    ------
    ControlError
        If the region names an image that the control does not annotate, or an invalid page.
    """
    if not control.marks_objects:
        return control.to_name, page_of(region) if control.per_item and control.to_name in config.paged_images else 0
    name = region.get("to_name") if isinstance(region.get("to_name"), str) else None
    if name not in control.to_names:
        if len(control.to_names) > 1 or name in config.image_key:
            raise ControlError(
                f"the region lies on {quote(name)}, and {control.name!r} annotates {', '.join(control.to_names)}"
            )
        name = control.to_name  # Label Studio shows a region of an unknown image on the control's image
    return str(name), page_of(region) if name in config.paged_images else 0


def page_of(region: Mapping[str, Any]) -> int:
    """Return the page of a region; 0 if it has no `item_index`.

    Raises
    ------
    ControlError
        If `item_index` is not a whole number of at least 0.
    """
    index = region.get("item_index")
    if index is None:
        return 0
    if isinstance(index, bool) or not isinstance(index, int | float) or not 0 <= index < math.inf or index % 1:
        raise ControlError(f"item_index must be a whole number from 0, not {quote(index)}")
    return int(index)


def place_region(region: Region, config: LabelConfig, image: tuple[str, int]) -> Region:
    """Return a copy of a region with the `to_name` of an image and, if its tag has pages, the `item_index`."""
    to_name, page = image
    return {**region, "to_name": to_name, **({"item_index": page} if to_name in config.paged_images else {})}


def value_at(data: Mapping[str, Any], key: str) -> object:
    """Return the value at a key or at a path such as `images[0].url`; None if it is missing."""
    if key in data:
        return data[key]
    value: Any = data
    for step in _STEP.findall(key):
        if isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""

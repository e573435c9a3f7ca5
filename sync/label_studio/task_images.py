"""Which images a task has, and on which of them a region lies.

A task may have several Image tags, and an Image tag with `valueList` several pages. Label Studio names the tag in a region's
`to_name` and the page in its `item_index`, which counts from 0 and is missing on tags without pages.
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
    """Return the references of an Image tag's pages, one for a tag without pages; empty where the data have no text."""
    held = value_at(data, config.image_key.get(to_name, ""))
    if to_name not in config.paged:
        return [_text(held[0] if isinstance(held, list) and held else held)]
    return [_text(page) for page in held] if isinstance(held, list) and held else [_text(held)]


def reference_of_image(data: Mapping[str, Any], config: LabelConfig, image: tuple[str, int]) -> str:
    """Return the reference of one image, by the name of its tag and its page; empty where the task has none."""
    to_name, page = image
    references = references_of(data, config, to_name)
    return references[page] if page < len(references) else ""


def images_of_control(data: Mapping[str, Any], config: LabelConfig, control: Control) -> list[tuple[str, int]]:
    """Return the images of a task that a control is filled on, as names of Image tags and pages.

    A control of objects has all pages of all its images; what classifies a task has the first one, and with `perItem` all pages
    of the first tag.
    """
    if control.marks_objects:
        return [(name, page) for name in control.to_names for page in range(len(references_of(data, config, name)))]
    pages = len(references_of(data, config, control.to_name)) if control.per_item else 1
    return [(control.to_name, page) for page in range(pages)]


def image_of_region(region: Mapping[str, Any], control: Control, config: LabelConfig) -> tuple[str, int]:
    """Return the name of the Image tag and the page that a region of `control` lies on.

    Raises
    ------
    ControlError
        If the region names no image of the control, or no page.
    """
    if not control.marks_objects:
        return control.to_name, page_of(region) if control.per_item and control.to_name in config.paged else 0
    name = region.get("to_name") if isinstance(region.get("to_name"), str) else None
    if name not in control.to_names:
        if len(control.to_names) > 1 or name in config.image_key:
            raise ControlError(
                f"the region lies on {quote(name)}, and {control.name!r} annotates {', '.join(control.to_names)}"
            )
        name = control.to_name  # Label Studio's page puts a region of an unknown image on that of its control
    return str(name), page_of(region) if name in config.paged else 0


def page_of(region: Mapping[str, Any]) -> int:
    """Return the page that a region names, the first where it names none.

    Raises
    ------
    ControlError
        If its `item_index` is no whole number from 0.
    """
    index = region.get("item_index")
    if index is None:
        return 0
    if isinstance(index, bool) or not isinstance(index, int | float) or not 0 <= index < math.inf or index % 1:
        raise ControlError(f"item_index must be a whole number from 0, not {quote(index)}")
    return int(index)


def place_region(region: Region, config: LabelConfig, image: tuple[str, int]) -> Region:
    """Return a region on an image: with the name of its tag, and the page where the tag has pages."""
    to_name, page = image
    return {**region, "to_name": to_name, **({"item_index": page} if to_name in config.paged else {})}


def value_at(data: Mapping[str, Any], key: str) -> object:
    """Return what the data hold under a key, or at the end of a path such as `images[0].url`."""
    if key in data:
        return data[key]
    held: Any = data
    for step in _STEP.findall(key):
        if isinstance(held, Mapping):
            held = held.get(step)
        elif isinstance(held, list) and step.isdecimal() and int(step) < len(held):
            held = held[int(step)]
        else:
            return None
    return held


def _text(held: object) -> str:
    return held if isinstance(held, str) else ""

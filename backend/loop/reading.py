"""What one annotation tells of one control: its values, "nothing here", no answer, or something that cannot be read.

The four are kept apart. Objects that cannot be read must not become "there is nothing here", which trains a version that finds
nothing; and a control that was not answered teaches nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from backend.project_heads import SHAPES, controls_to_fill
from sync.annotations import Annotation
from sync.controls import rle
from sync.controls.errors import ControlError
from sync.controls.region import Region, quote, read_size
from sync.controls.shapes import Size
from sync.labelconfig import Control, LabelConfig
from sync.reading import read_region

__all__ = ["needs_picture", "read_control", "read_regions", "regions_of"]

ANY_SIZE: Size = (1000, 1000)
"""Percentages can be read without knowing of what: whether a shape makes sense does not depend on the picture's size."""


def regions_of(annotation: Annotation, control: Control, config: LabelConfig) -> list[Region] | None:
    """Return the regions that an annotation has for a control.

    Returns
    -------
    list of Region or None
        Empty where the annotator left the control for objects empty and answered others: there are none. None where the
        annotation does not answer the control.

    Raises
    ------
    ControlError
        If a region of the control's type names a control that the labelling config does not have.
    """
    regions = [region for region in annotation.result if region.get("from_name") == control.name]
    if regions:
        return regions
    for region in annotation.result:
        if _is_of_a_lost_control(region, control, config):
            raise ControlError(f"the region names the control {quote(region.get('from_name'))}, which the config does not have")
    if control.tag not in SHAPES or any(_is_a_prompt(region, config) for region in annotation.result):
        return None  # a prompt that was left behind is a mask that was lost, and not "nothing here"
    return [] if any(region.get("type") != "relation" for region in annotation.result) else None


def read_control(
    annotation: Annotation, control: Control, config: LabelConfig, *, size: Size | None = None
) -> list[Any] | None:
    """Read what an annotation tells of a control: its regions as `read_regions` does; empty and None as for `regions_of`.

    Raises
    ------
    ControlError
        If a region cannot be read.
    """
    regions = regions_of(annotation, control, config)
    return None if regions is None else read_regions(regions, control, size=size)


def read_regions(regions: Sequence[Region], control: Control, *, size: Size | None = None) -> list[Any]:
    """Read regions of a control on one picture, as `sync.reading.read_region` does.

    Parameters
    ----------
    size : (width, height), optional
        Of the picture, pixels. Without it shapes are read in pixels of a picture of any size, to find out whether they can be.

    Raises
    ------
    ControlError
        If a region cannot be read.
    """
    return [read_region(region, control, size=size or _checkable_size(region, control)) for region in regions]


def needs_picture(annotation: Annotation, control: Control) -> bool:
    """Tell whether only the picture's own size can tell if an annotation's masks can be read."""
    return control.tag == "BrushLabels" and any(
        region.get("from_name") == control.name and _mask_size(region) is None for region in annotation.result
    )


def _checkable_size(region: Region, control: Control) -> Size:
    return (_mask_size(region) or ANY_SIZE) if control.tag == "BrushLabels" else ANY_SIZE


def _mask_size(region: Mapping[str, Any]) -> Size | None:
    """The size that a brush region states, where its mask has as many pixels."""
    value = region.get("value")
    try:
        width, height = read_size(region)
        pixels = rle.pixel_count(value.get("rle") if isinstance(value, Mapping) else None)
    except ControlError:
        return None
    return (width, height) if width * height == pixels else None


def _is_of_a_lost_control(region: Mapping[str, Any], control: Control, config: LabelConfig) -> bool:
    """Tell whether a region of the control's type is of a control that was renamed or removed; relations have no name."""
    kind, name = region.get("type"), region.get("from_name")
    same_kind = isinstance(kind, str) and kind.strip().lower() == control.tag.lower()
    return same_kind and bool(config.names) and name not in config.names


def _is_a_prompt(region: Mapping[str, Any], config: LabelConfig) -> bool:
    """Tell whether a region is of a tool for prompts: Label Studio keeps it where a suggestion was not accepted."""
    control = config.control(region.get("from_name"))
    return control is not None and control.smart and control not in controls_to_fill(config)

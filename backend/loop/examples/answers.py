"""Read what one annotation answers for one control: values, "no object", no answer, or a region that cannot be read.

These four cases are kept apart. Objects that cannot be read must not become "no object", which would train a version that finds
nothing; and an annotation without an answer for a control is not an example for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from backend.prediction.project_heads import controls_to_predict
from sync.controls import CONTROLS, OBJECTS, SHAPES, Kind
from sync.controls.region import ANY_SIZE, Region
from sync.errors.controls import ControlError, quote
from sync.geometry.shapes import Size
from sync.label_studio.annotations import Annotation
from sync.label_studio.task_images import image_of_region, images_of_control
from sync.labelling.config import Control, LabelConfig
from sync.labelling.reading import read_region
from sync.labelling.visibility import hidden_controls

__all__ = ["needs_image_size", "read_regions", "regions_of"]


def regions_of(annotation: Annotation, control: Control, config: LabelConfig) -> dict[tuple[str, int], list[Region]]:
    """Return the regions of an annotation for a control, on each image for which it answers the control.

    If an annotation started from a prediction and has an object, it answers a control of objects for all images of the control:
    the predicted objects of all of them were shown. If it started empty and has objects on some images only, it does not answer
    the control for the others: the annotator may not have opened them.

    Parameters
    ----------
    annotation : Annotation
    control : Control
    config : LabelConfig

    Returns
    -------
    dict
        Name of an Image tag and page to the regions there. The lists are empty if the annotator left a control of objects empty
        and answered others: then there is no object. Images for which the annotation does not answer the control are left out.

    Raises
    ------
    ControlError
        If a region lies on no image of the task, or names a control of this type that the labelling config does not have.
    """
    if not control.labels and CONTROLS[control.tag].KIND is not Kind.NUMBER:
        return {}  # labels that each task defines are not the classes of a head
    regions = [region for region in annotation.result if region.get("from_name") == control.name]
    on_images: dict[tuple[str, int], list[Region]] = {
        image: [] for image in images_of_control(annotation.data, config, control)
    }
    for region in regions:
        image = image_of_region(region, control, config)
        if image not in on_images:
            pages = sum(name == image[0] for name, _ in on_images)
            raise ControlError(f"the region lies on page {image[1] + 1} of {image[0]!r}, and the task has {pages}")
        on_images[image].append(region)
    if regions:
        all_shown = control.marks_objects and annotation.parent_prediction is not None
        return {image: objects for image, objects in on_images.items() if objects or all_shown}
    for region in annotation.result:
        if _is_of_missing_control(region, control, config):
            raise ControlError(f"the region names the control {quote(region.get('from_name'))}, which the config does not have")
    if control.tag not in OBJECTS or control.name in hidden_controls(annotation.result, config):
        return {}
    if any(_is_a_prompt(region, config) for region in annotation.result):
        return {}  # a remaining prompt means a lost mask, not "no object"
    return on_images if any(region.get("type") != "relation" for region in annotation.result) else {}


def read_regions(regions: Sequence[Region], control: Control, *, size: Size | None = None) -> list[Any]:
    """Read the regions of a control on one image with `sync.labelling.reading.read_region`.

    Parameters
    ----------
    regions : sequence of Region
    control : Control
    size : (width, height), optional
        Size of the image, pixels. Without it shapes are scaled to any size, which only shows whether they can be read.

    Raises
    ------
    ControlError
        If a region cannot be read.
    """
    return [read_region(region, control, size=size or _readable_size(region, control)) for region in regions]


def needs_image_size(regions: Sequence[Region], control: Control) -> bool:
    """Return whether the size of the image is needed to find out if the regions of a control on it can be read."""
    codec = SHAPES.get(control.tag)
    return codec is not None and any(codec.readable_size(region) is None for region in regions)


def _readable_size(region: Region, control: Control) -> Size:
    codec = SHAPES.get(control.tag)
    return (codec.readable_size(region) if codec else None) or ANY_SIZE


def _is_of_missing_control(region: Mapping[str, Any], control: Control, config: LabelConfig) -> bool:
    """Return whether a region of the control's type is of a control that was renamed or removed."""
    kind, name = region.get("type"), region.get("from_name")
    same_kind = isinstance(kind, str) and kind.strip().lower() == control.tag.lower()
    return same_kind and bool(config.names) and not (isinstance(name, str) and name in config.names)


def _is_a_prompt(region: Mapping[str, Any], config: LabelConfig) -> bool:
    """Return whether a region is an unaccepted prompt, which Label Studio keeps in the annotation."""
    control = config.control(region.get("from_name"))
    return control is not None and control.smart and control not in controls_to_predict(config)

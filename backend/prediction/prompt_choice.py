"""Choice of the prompts among the regions of an interactive request.

With a smart rectangle, Label Studio sends all rectangles with its label on its image: those of other controls, predicted ones,
and ones that the annotator accepted before. Only regions drawn with a smart tool prompt for an object.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sync.controls import SHAPES, Kind
from sync.label_studio.task_images import page_of
from sync.labelling.config import Control, LabelConfig

__all__ = ["choose_prompts"]

Image = tuple[str, int]
"""Name of an Image tag, and a page."""
PREDICTED = ("prediction", "prediction-changed")
"""Origin, in Label Studio, of a region that was copied from a prediction."""


def choose_prompts(
    regions: Sequence[object], config: LabelConfig, *, stored_region_ids: Collection[str] = ()
) -> tuple[list[Mapping[str, Any]], Image]:
    """Choose the regions that prompt the current object, in order, and their image.

    A prompt is a region of a smart control, on the image of the newest one, that was neither predicted nor submitted before.
    Points accumulate until the annotator accepts the object, and so do the regions of a control with `smartOnly`, which serve
    as prompts only. The regions of other smart controls include accepted ones: only the newest of these prompts.

    Parameters
    ----------
    regions : sequence of object
        The result of the request.
    config : LabelConfig
    stored_region_ids : collection of str
        Ids of the regions of the task's predictions and submitted annotations.

    Raises
    ------
    ControlError
        If a prompt has an invalid page.
    """
    candidates: list[tuple[Mapping[str, Any], Control, Image]] = []
    for region in regions:
        if not isinstance(region, Mapping) or region.get("origin") in PREDICTED or region.get("id") in stored_region_ids:
            continue
        control = config.control(region.get("from_name"))
        if control is not None and region.get("type") == control.tag.lower() and _can_prompt(control, config):
            candidates.append((region, control, (str(region.get("to_name") or ""), page_of(region))))
    if not candidates:
        return [], ("", 0)
    image = candidates[-1][2]
    on_image = [(region, control) for region, control, place in candidates if place == image]
    newest = {control.name: region for region, control in on_image}
    return [
        region
        for region, control in on_image
        if SHAPES[control.tag].KIND is Kind.POINTS or control.smart_only or region is newest[control.name]
    ], image


def _can_prompt(control: Control, config: LabelConfig) -> bool:
    """Return whether the regions of a control can be prompts: they have a position, and the control is a smart one.

    Label Studio treats a control without the attribute `smart` as a smart one; where the config marks another control of the
    same kind, only the marked one prompts.
    """
    if control.tag not in SHAPES:
        return False
    smart_controls = [other for other in config.controls if other.tag == control.tag and (other.smart or other.smart_only)]
    return control in smart_controls or (not smart_controls and not control.never_smart)

"""Which regions of an interactive request prompt: Label Studio sends every region of the annotation that is like the drawn one.

With a smart rectangle come all rectangles with its label on its image: those of other controls, what was predicted, and what
was accepted before. Only what was drawn with a smart tool asks for an object.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sync.label_studio.task_images import page_of
from sync.labelling.config import Control, LabelConfig

__all__ = ["PROMPT_TYPES", "choose_prompts"]

PROMPT_TYPES = {
    "keypointlabels": "KeyPointLabels",
    "rectanglelabels": "RectangleLabels",
    "ellipselabels": "EllipseLabels",
    "brushlabels": "BrushLabels",
    "polygonlabels": "PolygonLabels",
}
"""Types of regions that prompt, and the tags of their controls."""
Image = tuple[str, int]
"""Name of an Image tag, and a page."""
PREDICTED = ("prediction", "prediction-changed")
"""What Label Studio calls the origin of a region that was copied from a prediction."""


def choose_prompts(
    regions: Sequence[object], config: LabelConfig, *, stored: Collection[str] = ()
) -> tuple[list[Mapping[str, Any]], Image]:
    """Choose the regions that prompt the present object, in order, and tell on which image they lie.

    A prompt is a region of a smart control, on the image of the newest one, that was neither predicted nor submitted before.
    Points accumulate until the object is accepted, and so do the regions of a control with `smartOnly`, which are nothing but
    prompts. A control that keeps its regions, too, has accepted ones among them: of these the newest one prompts.

    Parameters
    ----------
    regions : sequence of object
        What the request calls its result.
    stored : collection of str
        Ids of the regions of the task's predictions and submitted annotations.

    Raises
    ------
    ControlError
        If a prompt names a page that makes no sense.
    """
    drawn: list[tuple[Mapping[str, Any], Control, Image]] = []
    for region in regions:
        if not isinstance(region, Mapping) or region.get("origin") in PREDICTED or region.get("id") in stored:
            continue
        control = config.control(region.get("from_name"))
        if control is not None and PROMPT_TYPES.get(str(region.get("type"))) == control.tag and _prompts(control, config):
            drawn.append((region, control, (str(region.get("to_name") or ""), page_of(region))))
    if not drawn:
        return [], ("", 0)
    image = drawn[-1][2]
    here = [(region, control) for region, control, place in drawn if place == image]
    newest = {control.name: region for region, control in here}
    return [
        region
        for region, control in here
        if control.tag == "KeyPointLabels" or control.smart_only or region is newest[control.name]
    ], image


def _prompts(control: Control, config: LabelConfig) -> bool:
    """Whether a control is a tool for prompts.

    Label Studio takes a control without the attribute `smart` for a smart one; where the config marks another of the same kind,
    that one is meant.
    """
    marked = [other for other in config.controls if other.tag == control.tag and (other.smart or other.smart_only)]
    return control in marked or (not marked and not control.never_smart)

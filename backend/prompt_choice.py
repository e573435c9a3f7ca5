"""Which regions of an interactive request prompt: Label Studio sends every region of the annotation that is like the drawn one.

With a smart rectangle come all rectangles with its label on its image: those of other controls, what was predicted, and what
was accepted before. Only what was drawn with a smart tool asks for an object.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sync.labelconfig import Control, LabelConfig

__all__ = ["PROMPT_TYPES", "choose_prompts"]

PROMPT_TYPES = {
    "keypointlabels": "KeyPointLabels",
    "rectanglelabels": "RectangleLabels",
    "ellipselabels": "EllipseLabels",
    "brushlabels": "BrushLabels",
    "polygonlabels": "PolygonLabels",
}
"""Types of regions that prompt, and the tags of their controls."""
PREDICTED = ("prediction", "prediction-changed")
"""What Label Studio calls the origin of a region that was copied from a prediction."""


def choose_prompts(regions: Sequence[object], config: LabelConfig, *, stored: Collection[str] = ()) -> list[Mapping[str, Any]]:
    """Choose the regions that prompt the present object, in order.

    A prompt is a region of a smart control that was neither predicted nor submitted before. Points accumulate until the object
    is accepted, and so do the regions of a control with `smartOnly`, which are nothing but prompts. A control that keeps its
    regions, too, has accepted ones among them: of these the newest one prompts.

    Parameters
    ----------
    regions : sequence of object
        What the request calls its result.
    stored : collection of str
        Ids of the regions of the task's predictions and submitted annotations.
    """
    chosen: list[Mapping[str, Any]] = []
    for region in regions:
        if not isinstance(region, Mapping):
            continue
        control = config.control(region.get("from_name"))
        if control is None or PROMPT_TYPES.get(str(region.get("type"))) != control.tag or not _prompts(control, config):
            continue
        if region.get("origin") in PREDICTED or region.get("id") in stored:
            continue
        if control.tag != "KeyPointLabels" and not control.smart_only:
            chosen = [other for other in chosen if other.get("from_name") != control.name]
        chosen.append(region)
    return chosen


def _prompts(control: Control, config: LabelConfig) -> bool:
    """Whether a control is a tool for prompts.

    Label Studio takes a control without the attribute `smart` for a smart one; where the config marks another of the same kind,
    that one is meant.
    """
    marked = [other for other in config.controls if other.tag == control.tag and (other.smart or other.smart_only)]
    return control in marked or (not marked and not control.never_smart)

"""Removes prompts from annotations: if a suggestion was not accepted, Label Studio stores the click and drops the mask.

Such a prompt does not describe the image and is not exported. An annotation with only such prompts is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sync.export.reading.annotations import ReportProblem
from sync.export.reading.origins import states_of
from sync.labelling.config import LabelConfig

__all__ = ["remove_prompts"]


def remove_prompts(
    tasks: Iterable[Mapping[str, Any]], config: LabelConfig, *, report: ReportProblem
) -> Iterator[Mapping[str, Any]]:
    """Yield tasks without the regions of controls that only prompt (`Control.only_prompts`); each is reported.

    Parameters
    ----------
    tasks : iterable of mapping
        As `read_annotated` yields them.
    config : LabelConfig
    report : ReportProblem
        Called with a sentence for each removed prompt.

    Yields
    ------
    mapping
        The task. A task is left out if none of its annotations remains.
    """
    tools = {control.name for control in config.controls if control.only_prompts}
    for task in tasks:
        annotations = task.get("annotations")
        if not tools or not isinstance(annotations, list):
            yield task
            continue
        cleaned_annotations = [
            part for annotation in annotations if (part := _without(annotation, tools, task, report)) is not None
        ]
        if cleaned_annotations or not annotations:
            yield {**task, "annotations": cleaned_annotations}


def _without(annotation: Any, tools: set[str], task: Mapping[str, Any], report: ReportProblem) -> Any:
    result = annotation.get("result") if isinstance(annotation, Mapping) else None
    if not isinstance(result, list):
        return annotation
    prompts = [isinstance(region, Mapping) and region.get("from_name") in tools for region in result]
    if not any(prompts):
        return annotation
    for region in (region for region, is_prompt in zip(result, prompts, strict=True) if is_prompt):
        report(
            f"the prompt of {region['from_name']!r} is left out: its suggestion was not accepted before submitting",
            task=task.get("id"),
            annotation=annotation.get("id"),
            region=region.get("id"),
        )
    if all(prompts):
        return None
    states = annotation.get("states") or states_of(result, None)
    return {
        **annotation,
        "result": [region for region, is_prompt in zip(result, prompts, strict=True) if not is_prompt],
        "states": [state for state, is_prompt in zip(states, prompts, strict=True) if not is_prompt],
    }

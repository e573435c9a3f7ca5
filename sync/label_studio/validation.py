"""Whether Label Studio may be given a prediction.

Predictions that a backend returns are stored unseen: an unknown label or a box beyond the image then breaks the
annotator's page, not ours. The SDK's validator is the server's own; what it lets through is checked here first.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from sync.controls import CONTROLS, ControlError
from sync.controls.number import STEP_TOLERANCE, allowed
from sync.errors.controls import quote
from sync.label_studio.task_images import page_of
from sync.labelling.config import Control, LabelConfig

__all__ = ["Validator", "check_prediction"]


class Validator(Protocol):
    """What is needed of `label_studio_sdk.label_interface.LabelInterface`."""

    def validate_prediction(self, prediction: dict[str, Any], return_errors: bool) -> Any:
        """Return a list of sentences."""


def check_prediction(prediction: dict[str, Any], config: LabelConfig, interface: Validator | None = None) -> list[str]:
    """Say what is wrong with a prediction.

    Parameters
    ----------
    prediction : dict
        `result`, `score` and `model_version`, as it would be sent.
    config : LabelConfig
        The project's, parsed.
    interface : Validator, optional
        The SDK's `LabelInterface` of the same config, built once a project (0.2 ms for ten controls; a check of ten
        regions takes 0.3 ms, the SDK's half included). Without it only our own checks are made.

    Returns
    -------
    list of str
        One sentence a fault; empty if the prediction may be stored.
    """
    faults = list(_own_faults(prediction, config))
    if interface is not None and not faults:
        faults = [str(fault) for fault in interface.validate_prediction(prediction, return_errors=True)]
    return faults


def _own_faults(prediction: object, config: LabelConfig) -> Iterator[str]:
    if not isinstance(prediction, Mapping):
        yield f"a prediction must be an object, not {quote(prediction)}"
        return
    yield from _score_faults(prediction, "the prediction")
    result = prediction.get("result")
    if not isinstance(result, list):
        yield f"the prediction's result must be a list, not {quote(result)}"
        return
    ids = set()
    for place, region in enumerate(result):
        name = f"region {place}"
        if not isinstance(region, Mapping):
            yield f"{name} must be an object, not {quote(region)}"
            continue
        identity = region.get("id")
        if not isinstance(identity, str) or not identity:
            yield f"{name} needs an id"
        elif identity in ids:
            yield f"{name} has the id {identity!r} of an earlier one"
        else:
            ids.add(identity)
        yield from _score_faults(region, name)
        yield from _value_faults(region, config, name)


def _score_faults(scored: Mapping[str, Any], name: str) -> Iterator[str]:
    score = scored.get("score")
    if score is None:
        return
    if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 1:
        yield f"the score of {name} must be a number between 0 and 1, not {quote(score)}"


def _value_faults(region: Mapping[str, Any], config: LabelConfig, name: str) -> Iterator[str]:
    control = config.control(region.get("from_name"))
    if control is None:
        yield f"{name} is for {quote(region.get('from_name'))}, which is no control that we fill"
        return
    if region.get("to_name") not in control.to_names or region.get("type") != control.tag.lower():
        yield f"{name} must be a {control.tag.lower()} of {' or '.join(map(repr, control.to_names))}, as {control.name!r} is"
        return
    try:
        page_of(region)
        CONTROLS[control.tag].decode(dict(region))
    except ControlError as error:
        yield f"{name} cannot be read back: {error}"
        return
    value = region["value"]
    if not _finite(value):
        yield f"{name} holds a number that is not finite"
    elif control.tag == "Number":
        nearest = allowed(float(value["number"]), control)
        if abs(value["number"] - nearest) > STEP_TOLERANCE:
            yield f"{name} has the number {value['number']!r}, and {control.name!r} takes {nearest!r} at the nearest"
    else:
        yield from _label_faults(value[control.tag.lower()], control, name)
        yield from _geometry_faults(value, control, name)


def _finite(value: object) -> bool:
    """Whether all numbers inside `value` are; an RLE holds bytes, and is too long to walk through."""
    if isinstance(value, Mapping):
        return all(_finite(item) for key, item in value.items() if key != "rle")
    if isinstance(value, list | tuple):
        return all(_finite(item) for item in value)
    return not isinstance(value, float) or math.isfinite(value)


def _label_faults(picked: list[Any], control: Control, name: str) -> Iterator[str]:
    if len(picked) > 1 and not control.multiple:
        yield f"{name} holds {len(picked)} labels, and {control.name!r} takes one: {quote(picked)}"
    known: set[Any] = set(control.paths) or {label.value for label in control.labels}
    for label in picked:
        if known and (tuple(label) if isinstance(label, list) else label) not in known:
            yield f"{name} has the label {quote(label)}, which {control.name!r} does not offer"


def _geometry_faults(value: Mapping[str, Any], control: Control, name: str) -> Iterator[str]:
    for x, y in value["points"] if control.tag == "PolygonLabels" else [(value.get("x", 0), value.get("y", 0))]:
        if not (0 <= x <= 100 and 0 <= y <= 100):
            yield f"{name} has a point at {x:g}, {y:g} percent: both must lie between 0 and 100"
    if control.tag == "RectangleLabels" and not value.get("rotation"):
        for start, length in (("x", "width"), ("y", "height")):
            if value[start] + value[length] > 100:
                yield f"{name} has {start} + {length} = {value[start] + value[length]!r}: 100 is the image's border"

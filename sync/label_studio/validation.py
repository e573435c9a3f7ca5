"""Validation of predictions before Label Studio stores them.

Label Studio stores the predictions of a backend without validation: an unknown label or a box beyond the image then breaks the
annotator's page. The SDK's validator is the one that the server uses; this module also detects faults that it misses.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from sync.controls import CONTROLS, PIXELS, Codec, ControlError, Kind
from sync.controls.control import Control
from sync.controls.region import Region, read_labels, read_size, read_value
from sync.errors.controls import quote
from sync.label_studio.task_images import page_of
from sync.labelling.config import LabelConfig

__all__ = ["Validator", "check_prediction", "sort_regions"]


class Validator(Protocol):
    """Protocol of `label_studio_sdk.label_interface.LabelInterface`."""

    def validate_prediction(self, prediction: dict[str, Any], return_errors: bool) -> Any:
        """Return the errors of a prediction as a list of sentences."""


def check_prediction(prediction: dict[str, Any], config: LabelConfig, interface: Validator | None = None) -> list[str]:
    """Return the faults of a prediction.

    Parameters
    ----------
    prediction : dict
        `result`, `score` and `model_version`, as in the request to Label Studio.
    config : LabelConfig
        The project's labelling config.
    interface : Validator, optional
        The SDK's `LabelInterface` of the same config. Without it, only the checks of this module are made.

    Returns
    -------
    list of str
        One sentence for each fault; empty if the prediction may be stored.
    """
    faults = list(_faults_of_prediction(prediction, config))
    if interface is not None and not faults:
        faults = [str(fault) for fault in interface.validate_prediction(prediction, return_errors=True)]
    return faults


def sort_regions(result: Sequence[object], config: LabelConfig) -> tuple[list[Any], list[str]]:
    """Return the valid regions of a result, and the faults of the others.

    Returns
    -------
    list
        The regions without a fault, in order.
    list of str
        The first fault of each other region, as one sentence.
    """
    valid_regions: list[Any] = []
    faults: list[str] = []
    ids: set[str] = set()
    for place, region in enumerate(result):
        fault = next(_faults_of_region(region, config, name=f"region {place}", ids=ids), None)
        if fault is None:
            valid_regions.append(region)
        else:
            faults.append(fault)
    return valid_regions, faults


def _faults_of_prediction(prediction: object, config: LabelConfig) -> Iterator[str]:
    if not isinstance(prediction, Mapping):
        yield f"a prediction must be an object, not {quote(prediction)}"
        return
    yield from _faults_of_score(prediction, "the prediction")
    result = prediction.get("result")
    if not isinstance(result, list):
        yield f"the prediction's result must be a list, not {quote(result)}"
        return
    ids: set[str] = set()
    for place, region in enumerate(result):
        yield from _faults_of_region(region, config, name=f"region {place}", ids=ids)


def _faults_of_region(region: object, config: LabelConfig, *, name: str, ids: set[str]) -> Iterator[str]:
    """Yield the faults of a region; `ids` has the ids of the previous regions, and the region's id is added to it."""
    if not isinstance(region, Mapping):
        yield f"{name} must be an object, not {quote(region)}"
        return
    identity = region.get("id")
    if not isinstance(identity, str) or not identity:
        yield f"{name} needs an id"
    elif identity in ids:
        yield f"{name} has the id {identity!r} of an earlier one"
    else:
        ids.add(identity)
    yield from _faults_of_score(region, name)
    yield from _faults_of_value(region, config, name)


def _faults_of_score(region: Mapping[str, Any], name: str) -> Iterator[str]:
    score = region.get("score")
    if score is None:
        return
    if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 1:
        yield f"the score of {name} must be a number between 0 and 1, not {quote(score)}"


def _faults_of_value(region: Mapping[str, Any], config: LabelConfig, name: str) -> Iterator[str]:
    control = config.control(region.get("from_name"))
    if control is None:
        yield f"{name} is for {quote(region.get('from_name'))}, which is not a control of the labelling config"
        return
    if region.get("to_name") not in control.to_names or region.get("type") != control.tag.lower():
        yield f"{name} must be a {control.tag.lower()} of {' or '.join(map(repr, control.to_names))}, as {control.name!r} is"
        return
    codec = CONTROLS[control.tag]
    try:
        page_of(region)
        _check_readable(dict(region), codec)
    except ControlError as error:
        yield f"{name} cannot be read back: {error}"
        return
    value = region["value"]
    if not _finite(value):
        yield f"{name} holds a number that is not finite"
        return
    if codec.KIND is not Kind.NUMBER:
        yield from _faults_of_labels(value[control.tag.lower()], control, name)
    yield from (f"{name} {fault}" for fault in codec.faults(value, control))


def _check_readable(region: Region, codec: Codec) -> None:
    """Decode a region; for a mask whose header fits the image, decode only the labels, since 50 masks can take a second.

    Raises
    ------
    ControlError
        If the region cannot be decoded.
    """
    mask = PIXELS.get(codec.TAG)
    if mask is not None and mask.readable_size(region) == read_size(region):
        read_labels(read_value(region, codec.TAG), codec.TAG)
    else:
        codec.decode(region)


def _finite(value: object) -> bool:
    """Return whether all numbers inside `value` are finite; RLEs are skipped, since they are long and contain only bytes."""
    if isinstance(value, Mapping):
        return all(_finite(item) for key, item in value.items() if key != "rle")
    if isinstance(value, list | tuple):
        return all(_finite(item) for item in value)
    return not isinstance(value, float) or math.isfinite(value)


def _faults_of_labels(labels: list[Any], control: Control, name: str) -> Iterator[str]:
    if len(labels) > 1 and not control.multiple:
        yield f"{name} holds {len(labels)} labels, and {control.name!r} allows one: {quote(labels)}"
    names_of_control: set[Any] = set(control.paths) or {label.value for label in control.labels}
    for label in labels:
        if names_of_control and (tuple(label) if isinstance(label, list) else label) not in names_of_control:
            yield f"{name} has the label {quote(label)}, which {control.name!r} does not offer"

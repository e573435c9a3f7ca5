"""Reading of regions that Label Studio's page, a script or an import wrote, as the page displays them.

The codecs of `sync.controls` read the JSON that Label Studio's page writes. This module also accepts numbers as strings,
regions without a type and wrong sizes, and matches labels to the labelling config. An unreadable region raises `ControlError`,
because training must not treat it as an image without objects.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from sync.controls import CONTROLS, SHAPES, Kind
from sync.controls.bounds import check_bounds
from sync.controls.control import Control
from sync.controls.equality import outline
from sync.controls.region import Region
from sync.errors.controls import ControlError, OutsideError, quote
from sync.geometry.shapes import MAX_CORNERS, Labelled, Point, Size
from sync.labelling.matching import read_label, read_path

__all__ = ["read_region"]

_NUMBERS = ("x", "y", "width", "height", "radiusX", "radiusY", "rotation")
_POINTS = ("points", "vertices")


def read_region(region: Mapping[str, Any], control: Control, *, size: Size | None = None) -> Any:
    """Read a region of a control.

    Parameters
    ----------
    region : mapping
        One item of a result whose `from_name` is the control's.
    control : Control
    size : (width, height), optional
        Size of the image, pixels. Default: the size that the region states.

    Returns
    -------
    tuple of str, tuple of path, float or Labelled
        Labels of Choices, paths of a Taxonomy, a Number or Rating, or a shape in pixels; labels have the stored names of the
        config.

    Raises
    ------
    ControlError
        If the region cannot be read.
    """
    decode = partial(CONTROLS[control.tag].decode, **({"size": size} if control.tag in SHAPES else {}))
    try:
        result = decode(region)
    except ControlError:  # tidied only here, because a copy of each region makes an export slower by a third
        result = decode(_tidy(region, control))
    if control.tag in SHAPES:
        return _check_on_image(replace(result, labels=_match_labels(result.labels, control)))
    if isinstance(result, float):
        return check_bounds(result, control)
    return tuple(dict.fromkeys(_match_name(name, control) for name in result))


def _tidy(region: Mapping[str, Any], control: Control) -> Region:
    """Return a copy of a region with the control's type, if it is missing or spelt differently, and with parsed numbers."""
    kind, value, tag = region.get("type"), region.get("value"), control.tag.lower()
    if not isinstance(value, Mapping):
        raise ControlError(f"the region's value must be an object, not {quote(value)}")
    is_number = CONTROLS[control.tag].KIND is Kind.NUMBER
    numbers = (*_NUMBERS, tag) if is_number else _NUMBERS
    value = {key: _as_number(item) if key in numbers else item for key, item in value.items()}
    if tag.endswith("labels") and "labels" in value:  # Label Studio's page moves them to the control's key
        value.setdefault(tag, value["labels"])
    kind = kind.strip().lower() if isinstance(kind, str) else kind
    if kind == "labels" or (kind is None and tag in value):
        kind = tag
    elif tag.endswith("labels") and kind == tag.removesuffix("labels"):
        raise ControlError(f"the {kind} of {control.name!r} has no label")
    if isinstance(value.get(tag), str) and not is_number:
        value[tag] = [value[tag]]
    for key in _POINTS:
        if isinstance(value.get(key), list) and len(value[key]) <= MAX_CORNERS:
            value[key] = [_tidy_point(point) for point in value[key]]
    return {**region, "type": kind, "value": value}


def _tidy_point(point: object) -> object:
    """Return a copy of a point, [x, y] or {"x": …, "y": …}, with parsed numbers."""
    if isinstance(point, list | tuple):
        return [_as_number(coordinate) for coordinate in point]
    if isinstance(point, Mapping):
        return {
            key: _as_number(item) if key in _NUMBERS else _tidy_point(item) if isinstance(item, Mapping) else item
            for key, item in point.items()
        }
    return point


def _as_number(value: object) -> object:
    """Return the number that a string contains; return any other value unchanged."""
    if not isinstance(value, str) or "_" in value:
        return value
    try:
        return float(value)
    except ValueError:
        return value


def _match_name(name: str | tuple[str, ...], control: Control) -> str | tuple[str, ...]:
    """Return the stored name of a label, or the stored path of a taxonomy's node; raise ControlError if it is unknown."""
    if isinstance(name, tuple):
        path = read_path(name, control)
        if path is None:
            raise ControlError(f"the path {quote(list(name))} of {control.name!r} is not in the labelling config")
        return path
    label = read_label(name, control)
    if label is None:
        raise ControlError(f"the label {quote(name)} of {control.name!r} is not in the labelling config")
    return label


def _match_labels(names: tuple[str, ...], control: Control) -> tuple[str, ...]:
    """Return the known labels of a shape, at least one, as stored names; Label Studio's page drops unknown labels."""
    labels = tuple(dict.fromkeys(label for name in names if (label := read_label(name, control)) is not None))
    return labels or (str(_match_name(names[0], control)),)


def _check_on_image(answer: Labelled[Any]) -> Labelled[Any]:
    """Return a shape if at least a part of it lies on the image.

    Raises
    ------
    OutsideError
        If the shape lies entirely outside the image.
    ControlError
        If a mask is empty.
    """
    if isinstance(answer.shape, np.ndarray):
        if not answer.shape.any():
            raise ControlError("the mask is empty: it needs a pixel")
        return answer
    corners = outline(answer)
    low, high = corners.min(axis=0), corners.max(axis=0)
    beyond = (low > 1) | (high < 0) if isinstance(answer.shape, Point) else (low >= 1) | (high <= 0)
    if beyond.any():
        raise OutsideError(f"the region lies outside the image of {answer.size[0]}x{answer.size[1]} pixels")
    return answer

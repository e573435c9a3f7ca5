"""Fields that all regions share: ids, names, labels, the size of the image, and checked numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from uuid import uuid4

from sync.controls.control import Control
from sync.errors.controls import ControlError, quote
from sync.geometry.shapes import Size, check_size

__all__ = [
    "ANY_SIZE",
    "Region",
    "any_size",
    "as_number",
    "finite",
    "new_region",
    "no_faults",
    "points_off_image",
    "read_labels",
    "read_number",
    "read_rotation",
    "read_size",
    "read_value",
    "size_for",
    "write_labels",
    "write_rotation",
]

Region = dict[str, Any]
"""One item of a `result` in Label Studio's JSON."""

ANY_SIZE: Size = (1000, 1000)
"""Size (width, height) at which percentages are decoded if the image's size is unknown; validity does not depend on it."""

FAR_PERCENT = 1000.0
"""Largest absolute coordinate, percent. A rotated shape may extend beyond the image; ten times its size is an error."""


def new_region(control: Control, tag: str, value: dict[str, Any], *, score: float | None, size: Size | None = None) -> Region:
    """Return a region with a new id; Label Studio merges regions that have the same id.

    Parameters
    ----------
    size : (width, height), optional
        Size of the image, pixels; only for regions with a position.

    Raises
    ------
    ControlError
        If `control` has another tag, or `score` is outside [0, 1].
    """
    if control.tag != tag:
        raise ControlError(f"control {control.name!r} is a {control.tag}: it takes no {tag} region")
    region: Region = {
        "id": uuid4().hex[:12],
        "from_name": control.name,
        "to_name": control.to_name,
        "type": tag.lower(),
        "value": value,
    }
    if size is not None:
        region |= {"original_width": int(size[0]), "original_height": int(size[1]), "image_rotation": 0}
    if score is not None:
        if not 0 <= score <= 1:  # False for NaN
            raise ControlError(f"the score of a region must lie between 0 and 1, not {score}")
        region["score"] = float(score)
    return region


def write_labels(labels: Sequence[str], control: Control) -> list[str]:
    """Return the labels as a list for a result; raise ControlError if the control does not allow them."""
    if not labels:
        raise ControlError(f"a region of {control.name!r} needs a label")
    if len(labels) > 1 and not control.multiple:
        raise ControlError(f"{control.name!r} takes one label, not {len(labels)}: {quote(list(labels))}")
    if len(set(labels)) < len(labels):
        raise ControlError(f"a label of {control.name!r} is given twice: {quote(list(labels))}")
    names = {label.value for label in control.labels}
    for label in labels:
        if label not in names:
            raise ControlError(f"{control.name!r} has no label {quote(label)}: it has {quote(sorted(names))}")
    return [str(label) for label in labels]


def write_rotation(degrees: float) -> float:
    """Return an angle as Label Studio stores it, in [0, 360)."""
    positive_degrees = float(degrees) % 360.0
    return 0.0 if positive_degrees == 360.0 else positive_degrees  # -1e-20 % 360 is 360.0


def finite(*numbers: float, of: str) -> None:
    """Raise ControlError unless all numbers are finite."""
    if not all(math.isfinite(number) for number in numbers):
        raise ControlError(f"{of} must be finite, not {numbers}")


def read_value(region: object, tag: str) -> Mapping[str, Any]:
    """Return the `value` of a region; raise ControlError if the region is not of type `tag`."""
    if not isinstance(region, Mapping):
        raise ControlError(f"a region must be an object, not {quote(region)}")
    kind = region.get("type")
    if not isinstance(kind, str) or kind.lower() != tag.lower():
        raise ControlError(f"a region of type {tag.lower()!r} is needed, not {quote(kind)}")
    value = region.get("value")
    if not isinstance(value, Mapping):
        raise ControlError(f"the region's value must be an object, not {quote(value)}")
    return value


def read_size(region: Mapping[str, Any]) -> Size:
    """Return the image's size (width, height) that a region states; raise ControlError if it is missing or invalid.

    Whole numbers may be given as floats or strings, as some scripts write them. `image_rotation` is ignored: Label Studio 1.23
    rotates only the view, and the stored coordinates refer to the unrotated image.
    """
    return check_size((_to_integer(region.get("original_width")), _to_integer(region.get("original_height"))))  # type: ignore[arg-type]


def size_for(region: Mapping[str, Any], size: Size | None) -> Size:
    """Return the size for decoding a region: the image's own `size` if it is given, else the size that the region states."""
    return read_size(region) if size is None else check_size(size)


def _to_integer(pixels: object) -> object:
    """Return a whole number of pixels as an int; return any other value unchanged."""
    if isinstance(pixels, bool) or not isinstance(pixels, int | float | str):
        return pixels
    try:
        number = float(pixels)
    except (OverflowError, ValueError):
        return pixels
    return int(number) if number.is_integer() else pixels


def read_number(value: Mapping[str, Any], key: str, *, low: float = -FAR_PERCENT, above: float | None = None) -> float:
    """Return a number of `value`; raise ControlError unless it is in [`low`, `FAR_PERCENT`] and greater than `above`."""
    return as_number(value.get(key), key, low=low, above=above)


def as_number(number: object, name: str, *, low: float = -FAR_PERCENT, above: float | None = None) -> float:
    """Return `number` as a float, with the checks of `read_number`."""
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise ControlError(f"{name} must be a number, not {quote(number)}")
    if not low <= number <= FAR_PERCENT:  # False for NaN
        raise ControlError(f"{name} must lie between {low:g} and {FAR_PERCENT:g}, not {quote(number)}")
    if above is not None and number <= above:
        raise ControlError(f"{name} must be above {above:g}, not {quote(number)}")
    return float(number)


def read_rotation(value: Mapping[str, Any]) -> float:
    """Return the rotation in degrees, in [0, 360); 0 if it is missing."""
    if value.get("rotation") is None:
        return 0.0
    return write_rotation(as_number(value["rotation"], "rotation"))


def read_labels(value: Mapping[str, Any], tag: str) -> tuple[str, ...]:
    """Return the labels of a region; raise ControlError if there is none."""
    labels = value.get(tag.lower())
    if not isinstance(labels, list) or not labels or not all(isinstance(label, str) and label for label in labels):
        raise ControlError(f"{tag.lower()} must be a list of label names, not {quote(labels)}")
    return tuple(labels)


def any_size(region: Mapping[str, Any]) -> Size:
    """Return a size for decoding a region in percentages if the image's size is unknown: `ANY_SIZE`."""
    return ANY_SIZE


def points_off_image(points: Iterable[tuple[float, float]]) -> Iterator[str]:
    """Yield a fault for each point (x, y), in percent, that is outside the image."""
    for x, y in points:
        if not (0 <= x <= 100 and 0 <= y <= 100):
            yield f"has a point at {x:g}, {y:g} percent: both must lie between 0 and 100"


def no_faults(value: Mapping[str, Any], control: Control) -> Iterator[str]:
    """Yield nothing, for tags whose page accepts every value that can be decoded."""
    return iter(())

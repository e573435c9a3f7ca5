"""`<Number>`: one number for the whole image."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sync.controls.bounds import STEP_TOLERANCE, round_to_step
from sync.controls.control import Control
from sync.controls.kind import Kind
from sync.controls.region import Region, finite, new_region, read_value
from sync.errors.controls import ControlError, quote

__all__ = ["KIND", "NESTED", "RATES_INTEREST", "TAG", "bounds", "decode", "encode", "faults", "instruction"]

TAG = "Number"
KIND = Kind.NUMBER
NESTED = False
RATES_INTEREST = False


def encode(number: float, *, control: Control, score: float | None = None) -> Region:
    """Return the region of `number`, rounded to the nearest number that the control allows.

    The page displays a number that is off the control's `step`, but the annotator cannot submit it.

    Raises
    ------
    ControlError
        If `number` is not finite.
    """
    finite(number, of="a number")
    return new_region(control, TAG, {"number": round_to_step(float(number), control)}, score=score)


def bounds(read: Callable[[str], float | None]) -> tuple[float | None, float | None, float | None]:
    """Return minimum, maximum and step of a control."""
    return read("min"), read("max"), read("step")


def decode(region: Region) -> float:
    """Return the number of an annotation; raise ControlError unless it is finite."""
    number = read_value(region, TAG).get("number")
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise ControlError(f"number must be a number, not {quote(number)}")
    try:
        value = float(number)
    except OverflowError:
        value = math.inf
    if not math.isfinite(value):
        raise ControlError(f"number must be finite, not {quote(number)}")
    return value


def faults(value: Mapping[str, Any], control: Control) -> Iterator[str]:
    """Yield a fault if the annotator cannot submit the number on the page."""
    nearest = round_to_step(float(value["number"]), control)
    if abs(value["number"] - nearest) > STEP_TOLERANCE:
        yield f"has the number {value['number']!r}, and {control.name!r} takes {nearest!r} at the nearest"


def instruction(control: Control) -> str:
    """Return the sentences that tell an annotator how to answer."""
    ends = [(control.minimum, "at least"), (control.maximum, "at most")]
    limits = " and ".join(f"{words} {end:g}" for end, words in ends if end is not None)
    return f"Enter a number{f', {limits}' if limits else ''}. Leave it empty where it cannot be measured."

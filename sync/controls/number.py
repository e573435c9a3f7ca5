"""`<Number>`: one number for the whole image."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sync.controls.control import Control
from sync.controls.kind import Kind
from sync.controls.region import Region, finite, new_region, read_value
from sync.errors.controls import ControlError, quote

__all__ = [
    "KIND",
    "NESTED",
    "STEP_TOLERANCE",
    "TAG",
    "bounds",
    "check_bounds",
    "decode",
    "encode",
    "faults",
    "instruction",
    "round_to_step",
]

TAG = "Number"
KIND = Kind.NUMBER
NESTED = False

STEP_TOLERANCE = 1e-8
"""Largest distance from a step at which Label Studio's page accepts a number (1.23.2)."""


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


def round_to_step(number: float, control: Control) -> float:
    """Return the nearest number within the control's bounds and on its steps, which start at the minimum."""
    low = -math.inf if control.minimum is None else control.minimum
    high = math.inf if control.maximum is None else control.maximum
    clipped_number = min(max(number, low), high)
    if control.step is None or abs(clipped_number) > control.step / STEP_TOLERANCE:
        return clipped_number
    start = control.minimum or 0.0
    steps = round((clipped_number - start) / control.step)
    if start + steps * control.step > high + STEP_TOLERANCE:
        steps -= 1
    return min(max(round(start + steps * control.step, 10), low), high)


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


def check_bounds(number: float, control: Control) -> float:
    """Return a number; raise ControlError if it is outside the control's bounds."""
    low, high = control.minimum, control.maximum
    if (low is not None and number < low - STEP_TOLERANCE) or (high is not None and number > high + STEP_TOLERANCE):
        raise ControlError(f"{control.name!r} takes numbers from {low} to {high}, not {number!r}")
    return number


def instruction(control: Control) -> str:
    """Return the sentences that tell an annotator how to answer."""
    ends = [(control.minimum, "at least"), (control.maximum, "at most")]
    limits = " and ".join(f"{words} {end:g}" for end, words in ends if end is not None)
    return f"Enter a number{f', {limits}' if limits else ''}. Leave it empty where it cannot be measured."

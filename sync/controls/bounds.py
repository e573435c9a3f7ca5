"""Bounds and steps of controls that hold a number."""

from __future__ import annotations

import math

from sync.controls.control import Control
from sync.errors.controls import ControlError

__all__ = ["STEP_TOLERANCE", "check_bounds", "round_to_step"]

STEP_TOLERANCE = 1e-8
"""Largest distance from a step at which Label Studio's page accepts a number (1.23.2)."""


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


def check_bounds(number: float, control: Control) -> float:
    """Return a number; raise ControlError if it is outside the control's bounds."""
    low, high = control.minimum, control.maximum
    if (low is not None and number < low - STEP_TOLERANCE) or (high is not None and number > high + STEP_TOLERANCE):
        raise ControlError(f"{control.name!r} takes numbers from {low} to {high}, not {number!r}")
    return number

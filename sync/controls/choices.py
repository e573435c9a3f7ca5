"""`<Choices>`: one or several classes for the whole image."""

from __future__ import annotations

from collections.abc import Sequence

from sync.controls.control import Control
from sync.controls.kind import Kind
from sync.controls.region import Region, new_region, no_faults, read_labels, read_value, write_labels

__all__ = ["KIND", "NESTED", "TAG", "decode", "encode", "faults", "instruction"]

TAG = "Choices"
KIND = Kind.CLASSES
NESTED = False


def encode(labels: Sequence[str], *, control: Control, score: float | None = None) -> Region:
    """Return the region that selects `labels`: exactly one, unless the control allows several.

    Raises
    ------
    ControlError
        If the control has no such label, or allows fewer labels.
    """
    return new_region(control, TAG, {"choices": write_labels(labels, control)}, score=score)


def decode(region: Region) -> tuple[str, ...]:
    """Return the selected labels, at least one."""
    return read_labels(read_value(region, TAG), TAG)


def instruction(control: Control) -> str:
    """Return the sentences that tell an annotator how to choose."""
    if control.multiple:
        return "Choose all that apply. What you do not choose counts as a no."
    return "Choose one. Press the key of another label to change it."


faults = no_faults

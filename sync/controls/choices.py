"""`<Choices>`: one or several classes for the whole image."""

from __future__ import annotations

from collections.abc import Sequence

from sync.controls.control import Control
from sync.controls.kind import Kind
from sync.controls.region import Region, new_region, no_faults, read_labels, read_value, write_labels

__all__ = ["KIND", "TAG", "decode", "encode", "faults"]

TAG = "Choices"
KIND = Kind.CLASSES


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


faults = no_faults

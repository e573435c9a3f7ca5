"""`<Choices>`: one class, or several, for the whole image."""

from __future__ import annotations

from collections.abc import Sequence

from sync.controls.region import Region, new_region, read_labels, read_value, write_labels
from sync.labelling.config import Control

__all__ = ["decode", "encode"]

TAG = "Choices"


def encode(labels: Sequence[str], *, control: Control, score: float | None = None) -> Region:
    """Return the region that picks `labels`: one of them, unless the control allows several.

    Raises
    ------
    ControlError
        If a label is not the control's, or too many are given.
    """
    return new_region(control, TAG, {"choices": write_labels(labels, control)}, score=score)


def decode(region: Region) -> tuple[str, ...]:
    """Return the labels that were picked, at least one."""
    return read_labels(read_value(region, TAG), TAG)

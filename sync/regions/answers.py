"""Answers of a file, converted to what the control of a labelling config takes."""

from __future__ import annotations

from typing import Any

from sync.controls.number import STEP_TOLERANCE
from sync.errors.controls import quote
from sync.labelling.config import Control
from sync.labelling.matching import read_label, read_path
from sync.regions.marks import Answer, RegionsError

__all__ = ["answer_value"]


def answer_value(answer: Answer, control: Control) -> Any:
    """Return what the codec of a control for the whole image takes.

    Raises
    ------
    RegionsError
        If the control has no such class, path or number.
    """
    if control.tag == "Number":
        return _within(answer, control)
    texts = str(answer.value)
    parts = [part.strip() for part in texts.split("|")] if control.multiple else [texts.strip()]
    if control.tag == "Taxonomy":
        return [_path(part, control) for part in parts if part]
    labels = []
    for part in parts:
        label = read_label(part, control)
        if label is None:
            raise RegionsError(f"its class {quote(part)} is no label of {control.name!r}")
        labels.append(label)
    return list(dict.fromkeys(labels))


def _within(answer: Answer, control: Control) -> float:
    try:
        number = float(answer.value)
    except ValueError:
        raise RegionsError(f"{control.name!r} takes a number, not {quote(answer.value)}") from None
    low, high = control.minimum, control.maximum
    if (low is not None and number < low - STEP_TOLERANCE) or (high is not None and number > high + STEP_TOLERANCE):
        raise RegionsError(f"{control.name!r} takes numbers from {low} to {high}, not {number!r}")
    return number


def _path(text: str, control: Control) -> tuple[str, ...]:
    """Return the path that a text means: levels separated by ``/``, or the name of one node alone."""
    path = read_path(tuple(level.strip() for level in text.split("/")), control)
    if path is None or path not in control.paths:
        named = [known for known in control.paths if known[-1].casefold() == text.casefold()]
        if len(named) != 1:
            raise RegionsError(f"its class {quote(text)} is no path of {control.name!r}: levels are separated by /")
        path = named[0]
    return path

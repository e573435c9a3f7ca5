"""Conversion of the answers of a file to values of the controls of a labelling config."""

from __future__ import annotations

from typing import Any

from sync.controls import ANSWERS, Kind
from sync.controls.bounds import check_bounds
from sync.errors.controls import ControlError, quote
from sync.labelling.config import Control
from sync.labelling.matching import read_label, read_path
from sync.regions.marks import ImportedAnswer, RegionsError

__all__ = ["answer_value"]


def answer_value(answer: ImportedAnswer, control: Control) -> Any:
    """Return an answer as the value that the codec of its control encodes.

    Parameters
    ----------
    answer : ImportedAnswer
    control : Control
        A control for answers about the whole image.

    Returns
    -------
    float, list of tuple of str, or list of str
        A number, taxonomy paths, or classes.

    Raises
    ------
    RegionsError
        If the control does not have the class or path, or does not allow the number.
    """
    if ANSWERS[control.tag].KIND is Kind.NUMBER:
        return _within(answer, control)
    texts = str(answer.value)
    parts = [part.strip() for part in texts.split("|")] if control.multiple else [texts.strip()]
    if ANSWERS[control.tag].NESTED:
        return [_path(part, control) for part in parts if part]
    labels = []
    for part in parts:
        label = read_label(part, control)
        if label is None:
            raise RegionsError(f"class {quote(part)} is not a label of {control.name!r}")
        labels.append(label)
    return list(dict.fromkeys(labels))


def _within(answer: ImportedAnswer, control: Control) -> float:
    try:
        return check_bounds(float(answer.value), control)
    except ControlError as error:
        raise RegionsError(str(error)) from error
    except ValueError:
        raise RegionsError(f"{control.name!r} takes a number, not {quote(answer.value)}") from None


def _path(text: str, control: Control) -> tuple[str, ...]:
    """Return the taxonomy path of a text: levels separated by ``/``, or the unique name of one node."""
    path = read_path(tuple(level.strip() for level in text.split("/")), control)
    if path is None or path not in control.paths:
        matches = [candidate for candidate in control.paths if candidate[-1].casefold() == text.casefold()]
        if len(matches) != 1:
            raise RegionsError(f"class {quote(text)} is not a path of {control.name!r}: separate levels by /")
        path = matches[0]
    return path

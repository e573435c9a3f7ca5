"""What an export is asked for, and the counts of what it has written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sync.export.merging import OBJECTS
from sync.labelling.config import LabelConfig

__all__ = ["ExportError", "Plan", "Summary"]


class ExportError(RuntimeError):
    """The export cannot be done; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to export, and how.

    Attributes
    ----------
    project : int
    title : str
    config : LabelConfig
    format : str
        A key of `FORMATS`.
    consensus : str
        A key of `CONSENSUS`.
    fractions : dict or None
        Name of a split to its share of the tasks; None: no splits.
    seed : int
    licence, credit : str
    objects : str
        One of `OBJECTS`: whether box and outline of one object are one.
    class_numbers : Path or None
        File that keeps the class numbers for later exports; see `number_labels`.
    """

    project: int
    title: str
    config: LabelConfig
    format: str
    consensus: str
    fractions: dict[str, float] | None
    seed: int
    licence: str
    credit: str
    objects: str = OBJECTS[0]
    class_numbers: Path | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts of what was written.

    Attributes
    ----------
    tasks, objects, answers, problems : int
    empty_splits : tuple of str
        Splits that hold no task.
    unit : {"tasks", "images"}
        What `tasks` counts: images where tasks have several.
    """

    tasks: int
    objects: int
    answers: int
    problems: int
    empty_splits: tuple[str, ...]
    unit: str = "tasks"

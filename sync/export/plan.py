"""The options of an export, and its summary."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sync.export.merging import OBJECTS
from sync.labelling.config import LabelConfig

__all__ = ["ExportError", "ExportSummary", "Plan"]


class ExportError(RuntimeError):
    """The export cannot be done; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Options of an export.

    Attributes
    ----------
    project : int
        Number of the project.
    title : str
        Title of the data set.
    config : LabelConfig
    format : str
        A key of `FORMATS`.
    consensus : str
        A key of `CONSENSUS`.
    fractions : dict or None
        Maps the name of a split to its share of the tasks; None for an export without splits.
    seed : int
        Seed of the splits.
    licence, credit : str
        Texts for the data card; empty if not given.
    objects : str
        One of `OBJECTS`: whether the box and the outline of one object are merged.
    class_numbers : Path or None
        File that stores the class numbers for later exports; see `number_labels`.
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
class ExportSummary:
    """Counts of the written data set.

    Attributes
    ----------
    tasks, objects, answers, problems : int
        Numbers of exported tasks, objects and answers, and of rows in the list of problems.
    empty_splits : tuple of str
        Splits without a task.
    unit : {"tasks", "images"}
        Unit of `tasks`: images where tasks have several.
    """

    tasks: int
    objects: int
    answers: int
    problems: int
    empty_splits: tuple[str, ...]
    unit: str = "tasks"

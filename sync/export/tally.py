"""Counts of a data set's contents, for the data card and the summary on the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from sync.export.records import Record

__all__ = ["Tally"]


@dataclass
class Tally:
    """Counts of a data set.

    Attributes
    ----------
    tasks : Counter
        Number of tasks, or of images where tasks have several, by split.
    objects : Counter
        Number of objects by (kind, label, split).
    answers : Counter
        Number of answers by (control, label, split); the label of a Number is empty.
    origins : Counter
        Number of objects and answers by (made_by, state, version).
    annotators : Counter
        Number of objects and answers by number of the annotator.
    on_sky : int
        Number of tasks, or images, with a WCS.
    unit : {"tasks", "images"}
        Unit of `tasks`.
    """

    tasks: Counter[str] = field(default_factory=Counter)
    objects: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    answers: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    origins: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    annotators: Counter[int] = field(default_factory=Counter)
    on_sky: int = 0
    unit: str = "tasks"

    def add(self, record: Record) -> None:
        """Add a record to the counts."""
        self.tasks[record.split] += 1
        self.unit = self.unit if record.image is None else "images"
        self.on_sky += record.sky.celestial is not None
        for obj in record.objects:
            self.objects[obj.kind, obj.label, record.split] += 1
        for answer in record.answers:
            self.answers.update((answer.control, label, record.split) for label in answer.labels or ("",))
        for origin in (*(obj.provenance for obj in record.objects), *(answer.provenance for answer in record.answers)):
            self.origins[origin.made_by, origin.state, origin.version] += 1
            self.annotators.update(origin.annotators)

    def empty_splits(self, splits: Sequence[str]) -> tuple[str, ...]:
        """Return those of `splits` without a task."""
        return tuple(split for split in splits if not self.tasks[split])

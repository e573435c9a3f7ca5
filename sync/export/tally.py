"""What a data set holds, counted while it passes by on its way to a writer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from sync.export.records import Record

__all__ = ["Tally"]


@dataclass
class Tally:
    """Counts of a data set.

    Attributes
    ----------
    tasks : Counter
        By split; where tasks have several images, these are counted.
    unit : {"tasks", "images"}
        Which of both.
    objects : Counter
        By (kind, label, split).
    answers : Counter
        By (control, label, split); of a Number, the label is empty.
    made : Counter
        By (made_by, state, version) of objects and answers.
    annotators : Counter
        Objects and answers of each, by number.
    on_sky : int
        Tasks with a WCS.
    """

    tasks: Counter[str] = field(default_factory=Counter)
    objects: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    answers: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    made: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    annotators: Counter[int] = field(default_factory=Counter)
    on_sky: int = 0
    unit: str = "tasks"

    def counted(self, records: Iterable[Record]) -> Iterator[Record]:
        """Give records on and count them."""
        for record in records:
            self._count(record, 1)
            yield record

    def take_back(self, record: Record) -> None:
        """Count a record no longer: its writer had to leave it out."""
        self._count(record, -1)

    def empty(self, splits: Sequence[str]) -> tuple[str, ...]:
        """Return those of `splits` that hold no task."""
        return tuple(split for split in splits if not self.tasks[split])

    def _count(self, record: Record, times: int) -> None:
        self.tasks[record.split] += times
        self.unit = self.unit if record.image is None else "images"
        self.on_sky += times * (record.sky.celestial is not None)
        for one in record.objects:
            self.objects[one.kind, one.label, record.split] += times
        for answer in record.answers:
            for label in answer.labels or ("",):
                self.answers[answer.control, label, record.split] += times
        for made in (*(one.provenance for one in record.objects), *(one.provenance for one in record.answers)):
            self.made[made.made_by, made.state, made.version] += times
            self.annotators.update(dict.fromkeys(made.annotators, times))

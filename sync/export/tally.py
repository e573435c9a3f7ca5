"""What a data set holds, counted while it passes by on its way to a writer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from sync.export.records import Record

__all__ = ["Tally"]


@dataclass
class Tally:
    """Counts of a data set.

    Attributes
    ----------
    tasks : Counter
        By split.
    objects : Counter
        By (kind, label, split).
    answers : Counter
        By (control, label, split); of a Number, the label is empty.
    made : Counter
        By (made_by, state, version) of objects and answers.
    annotators : set of int
    on_sky : int
        Tasks with a WCS.
    """

    tasks: Counter[str] = field(default_factory=Counter)
    objects: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    answers: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    made: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    annotators: set[int] = field(default_factory=set)
    on_sky: int = 0

    def counted(self, records: Iterable[Record]) -> Iterator[Record]:
        """Give records on and count them."""
        for record in records:
            self.tasks[record.split] += 1
            self.on_sky += record.sky.wcs is not None
            for one in record.objects:
                self.objects[one.kind, one.label, record.split] += 1
            for answer in record.answers:
                for label in answer.labels or ("",):
                    self.answers[answer.control, label, record.split] += 1
            for made in (*(one.provenance for one in record.objects), *(one.provenance for one in record.answers)):
                self.made[made.made_by, made.state, made.version] += 1
                self.annotators.update(made.annotators)
            yield record

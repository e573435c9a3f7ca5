"""How far annotators of the same task agree: Krippendorff's alpha for classes, mean overlap for shapes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from sync.export.consensus.objects import match
from sync.export.consensus.votes import Vote
from sync.export.records import Statement
from sync.labelling.config import LabelConfig

__all__ = ["ClassAgreement", "Overlaps", "ShapeAgreement", "class_agreement"]


@dataclass(frozen=True, slots=True)
class ClassAgreement:
    """Of one question.

    Attributes
    ----------
    topic : str
        Name of the control; of one that takes several classes, with the class.
    questions : int
        Tasks, or objects, that two or more people judged.
    alpha : float
        Krippendorff's, nominal: 1 is agreement, 0 is chance.
    """

    topic: str
    questions: int
    alpha: float


@dataclass(frozen=True, slots=True)
class ShapeAgreement:
    """Of the shapes of one control, over all pairs of annotators of all tasks.

    Attributes
    ----------
    control : str
    pairs : int
        Shapes that both of two annotators drew.
    mean_overlap : float
        Of these, intersection over union.
    matched : float
        Share of all shapes that the other of two annotators drew as well.
    """

    control: str
    pairs: int
    mean_overlap: float
    matched: float


def class_agreement(votes: Iterable[Vote]) -> list[ClassAgreement]:
    """Measure agreement on classes, topic by topic; topics without a second opinion are left out.

    References
    ----------
    Krippendorff (1980), Content Analysis, chapter 12.
    """
    topics: dict[str, list[tuple[str, str, int]]] = defaultdict(list)
    numbers: dict[str, int] = {}  # pandas takes no half of a surrogate pair
    for vote in votes:
        label = numbers.setdefault(vote.label, len(numbers))
        topics[vote.question[1]].append((ascii(vote.question), vote.annotator, label))
    if not topics:
        return []
    import pandas as pd
    from crowdkit.metrics.data import alpha_krippendorff

    found = []
    for topic, rows in sorted(topics.items()):
        counts: dict[str, int] = defaultdict(int)
        for question, _, _ in rows:
            counts[question] += 1
        judged = [row for row in rows if counts[row[0]] > 1]
        if judged:
            # With one label in all votes chance would agree as well: the formula has no value, and nobody disagreed.
            same = len({label for _, _, label in judged}) == 1
            alpha = 1.0 if same else alpha_krippendorff(pd.DataFrame(judged, columns=["task", "worker", "label"]))
            found.append(ClassAgreement(topic, len({question for question, _, _ in judged}), alpha))
    return found


@dataclass
class Overlaps:
    """Adds up the overlaps of shapes, task by task."""

    _sums: dict[str, list[float]] = field(default_factory=lambda: defaultdict(lambda: [0.0, 0.0, 0.0]))

    def add(self, statements: Sequence[Statement], config: LabelConfig) -> None:
        """Compare each two statements of one task; points have no overlap and are left out."""
        for control in config.controls:
            for one, other in combinations(statements, 2):
                mine, theirs = (
                    [drawn for drawn in said.objects if drawn.control == control.name and drawn.kind != "keypoint"]
                    for said in (one, other)
                )
                if mine or theirs:
                    pairs = match(mine, theirs)
                    sums = self._sums[control.name]
                    sums[0] += len(pairs)
                    sums[1] += sum(shared for _, _, shared in pairs)
                    sums[2] += len(mine) + len(theirs)

    def agreement(self) -> list[ShapeAgreement]:
        """Return what was added up, control by control."""
        return [
            ShapeAgreement(control, int(pairs), shared / pairs if pairs else 0.0, 2 * pairs / drawn)
            for control, (pairs, shared, drawn) in sorted(self._sums.items())
        ]

"""Agreement between annotators of the same task: Krippendorff's alpha for classes, mean overlap for shapes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from sync.export.consensus.objects import match
from sync.export.consensus.votes import Vote
from sync.export.records import ParsedAnnotation
from sync.labelling.config import LabelConfig

__all__ = ["ClassAgreement", "Overlaps", "ShapeAgreement", "class_agreement"]


@dataclass(frozen=True, slots=True)
class ClassAgreement:
    """Agreement on the classes of one topic.

    Attributes
    ----------
    topic : str
        Name of the control; for a control with several choices, followed by the class.
    questions : int
        Number of tasks or objects with votes of two or more annotators.
    alpha : float
        Krippendorff's alpha for nominal data: 1 is full agreement, 0 is agreement by chance.
    """

    topic: str
    questions: int
    alpha: float


@dataclass(frozen=True, slots=True)
class ShapeAgreement:
    """Agreement on the shapes of one control, over all pairs of annotators of all tasks.

    Attributes
    ----------
    control : str
        Name of the control.
    pairs : int
        Number of matched pairs of shapes.
    mean_overlap : float
        Mean intersection over union of the matched pairs; 0 without a pair.
    matched_share : float
        Share of all shapes that are in a matched pair.
    """

    control: str
    pairs: int
    mean_overlap: float
    matched_share: float


def class_agreement(votes: Iterable[Vote]) -> list[ClassAgreement]:
    """Measure agreement on classes, topic by topic.

    Parameters
    ----------
    votes : iterable of Vote

    Returns
    -------
    list of ClassAgreement
        Ordered by topic. Topics without a question that two annotators answered are left out.

    References
    ----------
    Krippendorff (1980), Content Analysis, chapter 12.
    """
    topics: dict[str, list[tuple[str, str, int]]] = defaultdict(list)
    numbers: dict[str, int] = {}  # pandas does not accept lone surrogates in labels
    for vote in votes:
        label = numbers.setdefault(vote.label, len(numbers))
        topics[vote.question[1]].append((ascii(vote.question), vote.annotator, label))
    agreements = []
    for topic, rows in sorted(topics.items()):
        counts = Counter(question for question, _, _ in rows)
        rows_of_several = [row for row in rows if counts[row[0]] > 1]
        if rows_of_several:
            agreements.append(
                ClassAgreement(topic, len({question for question, _, _ in rows_of_several}), _alpha(rows_of_several))
            )
    return agreements


def _alpha(rows: Sequence[tuple[str, str, int]]) -> float:
    """Return Krippendorff's alpha of votes (question, annotator, label) on questions with at least two votes each."""
    if len({label for _, _, label in rows}) == 1:
        return 1.0  # the expected disagreement is 0 and alpha is undefined; all annotators agree
    # Imported on use: crowd-kit takes a second to import, and most projects have one annotator a task.
    import pandas as pd
    from crowdkit.metrics.data import alpha_krippendorff

    return float(alpha_krippendorff(pd.DataFrame(rows, columns=["task", "worker", "label"])))


@dataclass
class Overlaps:
    """Accumulates the overlaps of shapes, task by task."""

    _sums: dict[str, list[float]] = field(default_factory=lambda: defaultdict(lambda: [0.0, 0.0, 0.0]))

    def add(self, annotations: Sequence[ParsedAnnotation], config: LabelConfig) -> None:
        """Add the overlaps between each pair of annotations of one task; key points are left out."""
        for control in config.controls:
            for first, second in combinations(annotations, 2):
                mine, theirs = (
                    [obj for obj in annotation.objects if obj.control == control.name and obj.kind != "keypoint"]
                    for annotation in (first, second)
                )
                if mine or theirs:
                    pairs = match(mine, theirs)
                    sums = self._sums[control.name]
                    sums[0] += len(pairs)
                    sums[1] += sum(overlap for _, _, overlap in pairs)
                    sums[2] += len(mine) + len(theirs)

    def agreement(self) -> list[ShapeAgreement]:
        """Return the agreement of each control with a shape, ordered by name."""
        return [
            ShapeAgreement(control, int(pairs), shared_objects / pairs if pairs else 0.0, 2 * pairs / shapes)
            for control, (pairs, shared_objects, shapes) in sorted(self._sums.items())
        ]

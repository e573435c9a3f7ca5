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
    matched : float
        Share of all shapes that are in a matched pair.
    """

    control: str
    pairs: int
    mean_overlap: float
    matched: float


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
    questions: dict[str, dict[object, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    for vote in votes:
        questions[vote.question[1]][vote.question][vote.label] += 1
    agreements = []
    for topic, labels_of in sorted(questions.items()):
        counts = [labels for labels in labels_of.values() if labels.total() > 1]
        if counts:
            agreements.append(ClassAgreement(topic, len(counts), _alpha(counts)))
    return agreements


def _alpha(counts: Sequence[Counter[str]]) -> float:
    """Return Krippendorff's alpha of questions with at least two votes each; each counter has the votes for each label.

    The function computes it itself, because the libraries that do (crowd-kit and NLTK) take a second to import.
    """
    totals: Counter[str] = Counter()
    for labels in counts:
        totals.update(labels)
    votes = totals.total()
    expected = votes**2 - sum(number**2 for number in totals.values())
    if not expected:
        return 1.0  # one label in all votes: all annotators agree
    observed_sum = sum(
        (labels.total() ** 2 - sum(number**2 for number in labels.values())) / (labels.total() - 1) for labels in counts
    )
    return 1 - observed_sum * (votes - 1) / expected


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

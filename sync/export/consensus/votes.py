"""Votes: the answers of several annotators of one task to each question.

A question is one of three: the class of a control with a single choice; each class of a control with several choices, where an
annotator who did not choose the class votes "(no)"; or the label of one object, where an annotator who did not draw it votes
"(nothing)". Questions of one *topic* have the same set of labels, so that Dawid and Skene's method can estimate the reliability
of an annotator from all of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sync.controls import CONTROLS, Kind
from sync.export.consensus.objects import Cluster, cluster_objects
from sync.export.records import ParsedAnnotation
from sync.labelling.config import Control, LabelConfig

__all__ = ["NO", "NOTHING", "YES", "Question", "Vote", "dawid_skene", "majority", "newest_of_each", "votes_of"]

NOTHING, YES, NO = "(nothing)", "(yes)", "(no)"

Question = tuple[int, str, str]
"""Number of the task, topic, and the question's key within the topic on that task."""

Shares = dict[str, float]
"""Maps a label to its share of the votes, or to its probability."""


@dataclass(frozen=True, slots=True)
class Vote:
    """One annotator's answer to one question.

    Attributes
    ----------
    question : Question
    annotator : str
    label : str
    """

    question: Question
    annotator: str
    label: str


def newest_of_each(annotations: Iterable[ParsedAnnotation]) -> list[ParsedAnnotation]:
    """Return the newest annotation of each annotator, ordered by time, so that each annotator votes once."""
    newest = {_name(annotation): annotation for annotation in annotations}
    return sorted(newest.values(), key=lambda annotation: (annotation.time, annotation.number or 0))


def votes_of(task: int, annotations: Sequence[ParsedAnnotation], config: LabelConfig) -> Iterator[Vote]:
    """Yield the votes on one task; none if fewer than two people annotated it.

    Parameters
    ----------
    task : int
        Number of the task.
    annotations : sequence of ParsedAnnotation
        As `newest_of_each` returns them.
    config : LabelConfig
    """
    if len(annotations) < 2:
        return
    for control in config.controls:
        if CONTROLS[control.tag].KIND is Kind.CLASSES:
            yield from _votes_on_classes(task, annotations, control)
        elif control.marks_objects:
            for number, cluster in enumerate(cluster_objects(annotations, control.name)):
                yield from _votes_on_object(task, annotations, control.name, cluster, number)


def _votes_on_classes(task: int, annotations: Sequence[ParsedAnnotation], control: Control) -> Iterator[Vote]:
    labels_of = {
        _name(annotation): answer.labels
        for annotation in annotations
        for answer in annotation.answers
        if answer.control == control.name
    }
    if not control.multiple:
        for annotator, labels in labels_of.items():
            yield Vote((task, control.name, ""), annotator, labels[0])
        return
    # Label Studio stores no region for a class that is not ticked: each annotator without it votes no.
    for annotator in map(_name, annotations):
        for label in sorted({label for chosen_labels in labels_of.values() for label in chosen_labels}):
            yield Vote(
                (task, f"{control.name}: {label}", label), annotator, YES if label in labels_of.get(annotator, ()) else NO
            )


def _votes_on_object(
    task: int, annotations: Sequence[ParsedAnnotation], control: str, cluster: Cluster, number: int
) -> Iterator[Vote]:
    for place, annotation in enumerate(annotations):
        label = cluster[place].label if place in cluster else NOTHING
        yield Vote((task, control, str(number)), _name(annotation), label)


def majority(votes: Iterable[Vote]) -> dict[Question, Shares]:
    """Return, for each question, the share of the votes of each label; all annotators have the same weight."""
    from crowdkit.aggregation.classification import MajorityVote

    return _aggregate(votes, MajorityVote)


def dawid_skene(votes: Iterable[Vote]) -> dict[Question, Shares]:
    """Return, for each question, the probability of each label, from estimated confusion matrices of the annotators.

    References
    ----------
    Dawid & Skene (1979), Journal of the Royal Statistical Society C 28, 20.
    """
    from crowdkit.aggregation.classification import DawidSkene

    return _aggregate(votes, DawidSkene)


def _aggregate(votes: Iterable[Vote], aggregator: type) -> dict[Question, Shares]:
    import pandas as pd

    by_topic: dict[str, list[Vote]] = defaultdict(list)
    for vote in votes:
        by_topic[vote.question[1]].append(vote)
    shares_of: dict[Question, Shares] = {}
    for topic in by_topic.values():
        questions: Mapping[Question, int] = {question: n for n, question in enumerate({vote.question: None for vote in topic})}
        labels = sorted({vote.label for vote in topic})
        numbers = {label: number for number, label in enumerate(labels)}  # pandas does not accept lone surrogates
        rows = [(questions[vote.question], vote.annotator, numbers[vote.label]) for vote in topic]
        frame = pd.DataFrame(rows, columns=["task", "worker", "label"])
        shares = aggregator().fit_predict_proba(frame)
        for question, number in questions.items():
            shares_of[question] = {labels[int(label)]: float(share) for label, share in shares.loc[number].items()}
    return shares_of


def _name(annotation: ParsedAnnotation) -> str:
    """Return an identifier of the annotator; an annotation without one counts as an annotator of its own."""
    return f"annotation {annotation.number}" if annotation.annotator is None else str(annotation.annotator)

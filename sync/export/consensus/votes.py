"""Votes: what several annotators of one task said to each question that can be voted on.

A question is a control that takes one class; each class of a control that takes several, where who left it out has said "no";
or, of objects, what one object is, where who did not draw it has said "nothing". Questions of one `topic` are answered with the
same kind of labels, so that an annotator's reliability can be learned over them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sync.export.consensus.objects import Cluster, cluster_objects
from sync.export.records import Statement
from sync.labelling.config import Control, LabelConfig

__all__ = ["NO", "NOTHING", "YES", "Question", "Vote", "dawid_skene", "majority", "newest_of_each", "votes_of"]

NOTHING, YES, NO = "(nothing)", "(yes)", "(no)"

Question = tuple[int, str, str]
"""Task, topic, and which one of the topic's questions on that task."""

Shares = dict[str, float]
"""Label to its share of the votes, or to its probability."""


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


def newest_of_each(statements: Iterable[Statement]) -> list[Statement]:
    """Keep the newest statement of each annotator, ordered by time: nobody votes twice."""
    newest = {_name(statement): statement for statement in statements}
    return sorted(newest.values(), key=lambda statement: (statement.time, statement.annotation or 0))


def votes_of(task: int, statements: Sequence[Statement], config: LabelConfig) -> Iterator[Vote]:
    """Yield the votes on one task; none where fewer than two people spoke.

    Parameters
    ----------
    statements : sequence of Statement
        As `newest_of_each` leaves them.
    """
    if len(statements) < 2:
        return
    for control in config.controls:
        if control.tag in ("Choices", "Taxonomy"):
            yield from _votes_on_classes(task, statements, control)
        elif control.tag != "Number":
            for number, cluster in enumerate(cluster_objects(statements, control.name)):
                yield from _votes_on_object(task, statements, control.name, cluster, number)


def _votes_on_classes(task: int, statements: Sequence[Statement], control: Control) -> Iterator[Vote]:
    said = {
        _name(statement): answer.labels
        for statement in statements
        for answer in statement.answers
        if answer.control == control.name
    }
    if not control.multiple:
        for annotator, labels in said.items():
            yield Vote((task, control.name, ""), annotator, labels[0])
        return
    # Label Studio stores no region where nothing is ticked: as of objects, who left a class out voted against it.
    for annotator in map(_name, statements):
        for label in sorted({label for chosen in said.values() for label in chosen}):
            yield Vote((task, f"{control.name}: {label}", label), annotator, YES if label in said.get(annotator, ()) else NO)


def _votes_on_object(task: int, statements: Sequence[Statement], control: str, cluster: Cluster, number: int) -> Iterator[Vote]:
    for place, statement in enumerate(statements):
        label = cluster[place].label if place in cluster else NOTHING
        yield Vote((task, control, str(number)), _name(statement), label)


def majority(votes: Iterable[Vote]) -> dict[Question, Shares]:
    """Give each label its share of the votes, each annotator counting the same."""
    from crowdkit.aggregation.classification import MajorityVote

    return _aggregated(votes, MajorityVote)


def dawid_skene(votes: Iterable[Vote]) -> dict[Question, Shares]:
    """Give each label its probability by the annotators' confusion matrices, learned from where they disagree.

    References
    ----------
    Dawid & Skene (1979), Journal of the Royal Statistical Society C 28, 20.
    """
    from crowdkit.aggregation.classification import DawidSkene

    return _aggregated(votes, DawidSkene)


def _aggregated(votes: Iterable[Vote], aggregator: type) -> dict[Question, Shares]:
    import pandas as pd

    by_topic: dict[str, list[Vote]] = defaultdict(list)
    for vote in votes:
        by_topic[vote.question[1]].append(vote)
    found: dict[Question, Shares] = {}
    for topic in by_topic.values():
        questions: Mapping[Question, int] = {question: n for n, question in enumerate({vote.question: None for vote in topic})}
        labels = sorted({vote.label for vote in topic})
        numbers = {label: number for number, label in enumerate(labels)}  # pandas takes no half of a surrogate pair
        rows = [(questions[vote.question], vote.annotator, numbers[vote.label]) for vote in topic]
        frame = pd.DataFrame(rows, columns=["task", "worker", "label"])
        shares = aggregator().fit_predict_proba(frame)
        for question, number in questions.items():
            found[question] = {labels[int(label)]: float(share) for label, share in shares.loc[number].items()}
    return found


def _name(statement: Statement) -> str:
    """An annotator's name; annotations that name nobody count as of one person each."""
    return f"annotation {statement.annotation}" if statement.annotator is None else str(statement.annotator)

"""Consensus: which statements the data set contains where several people annotated one task."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from sync.controls import ANSWERS, CONTROLS, ControlError, Kind
from sync.export.consensus.objects import Cluster, cluster_objects, overlap
from sync.export.consensus.votes import NOTHING, YES, Question, Vote, dawid_skene, majority, newest_of_each, votes_of
from sync.export.records import Answer, DrawnObject, Provenance, Shape, Statement
from sync.geometry.footprint import Footprint
from sync.geometry.shapes import Box, Mask, Point, Size
from sync.labelling.config import Control, Label, LabelConfig, join_path
from sync.labelling.reading import read_region

__all__ = ["CONSENSUS", "Decision", "everything", "latest", "voted"]

Decision = Callable[[int, Sequence[Statement]], list[Statement]]
"""Maps a task's number and its statements, ordered by time, to the statements that are exported."""

TIE = 1e-9
"""Labels whose shares differ by at most this are tied."""

TaxonomyPath = tuple[str, ...]


def latest(_task: int, statements: Sequence[Statement]) -> list[Statement]:
    """Return the newest statement only."""
    return list(statements[-1:])


def everything(_task: int, statements: Sequence[Statement]) -> list[Statement]:
    """Return all statements."""
    return list(statements)


def voted(
    votes: Iterable[Vote], config: LabelConfig, *, count: Callable[[Iterable[Vote]], Mapping[Question, Mapping[str, float]]]
) -> Decision:
    """Return a decision by votes; a tie goes to the label of the newest annotation.

    Of a task with one annotator, the decision keeps the newest annotation. It merges an object that several people drew: masks
    become the pixels that most of them covered, upright boxes and points the median of their coordinates, and of other shapes
    the decision keeps the one with the largest total overlap with the others. Numbers become their median.

    Parameters
    ----------
    votes : iterable of Vote
        Votes of all tasks.
    config : LabelConfig
    count : callable
        `majority` or `dawid_skene`.
    """
    outcomes = count(votes)

    def decide(task: int, statements: Sequence[Statement]) -> list[Statement]:
        voters = newest_of_each(statements)
        if len(voters) < 2:
            return voters
        ballots: dict[Question, list[str]] = {}
        for vote in votes_of(task, voters, config):
            ballots.setdefault(vote.question, []).append(vote.label)
        verdicts = {question: _winner(outcomes[question], said) for question, said in ballots.items()}
        answers = [answer for control in config.controls for answer in _answers(control, voters, task, verdicts)]
        objects = [one for control in config.controls for one in _objects(control, voters, task, verdicts)]
        regions = (*(answer.region for answer in answers), *(one.region for one in objects))
        return [
            Statement(
                annotation=None,
                annotator=None,
                time=voters[-1].time,
                objects=tuple(objects),
                answers=tuple(answers),
                regions=regions,
            )
        ]

    return decide


CONSENSUS: dict[str, Callable[[Iterable[Vote], LabelConfig], Decision]] = {
    "latest": lambda _votes, _config: latest,
    "majority": lambda votes, config: voted(votes, config, count=majority),
    "dawid-skene": lambda votes, config: voted(votes, config, count=dawid_skene),
    "all": lambda _votes, _config: everything,
}


class _Verdict(NamedTuple):
    label: str
    probability: float


_Verdicts = Mapping[Question, _Verdict]


def _winner(shares: Mapping[str, float], said: Sequence[str]) -> _Verdict:
    """Return the label with the largest share; `said` holds the labels of the votes, the newest last."""
    best = max(shares.values())
    first = [label for label in reversed(said) if shares.get(label, 0.0) >= best - TIE]
    label = first[0] if first else max(shares, key=lambda label: shares[label])
    return _Verdict(label, min(shares[label], 1.0))


def _answers(control: Control, voters: Sequence[Statement], task: int, verdicts: _Verdicts) -> list[Answer]:
    given = [answer for voter in voters for answer in voter.answers if answer.control == control.name]
    if not given:
        return []
    provenance = Provenance.joined([answer.provenance for answer in given])
    codec = ANSWERS[control.tag]
    if codec.KIND is Kind.NUMBER:
        number = float(np.median([answer.number for answer in given if answer.number is not None]))
        return [Answer(control.name, (), number, None, provenance, codec.encode(number, control=control))]
    probability: float
    if control.multiple:
        said = list(dict.fromkeys(label for answer in given for label in answer.labels))
        asked = {label: verdicts[(task, f"{control.name}: {label}", label)] for label in said}
        labels = tuple(label for label in said if asked[label].label == YES)
        if not labels:
            return []
        probability = min(asked[label].probability for label in labels)
    else:
        verdict = verdicts[(task, control.name, "")]
        labels, probability = (verdict.label,), verdict.probability
    paths = _paths(control, labels, given) if codec.NESTED else ()
    region = codec.encode(paths or labels, control=_of_task(control, labels, paths), score=probability)
    return [Answer(control.name, labels, None, probability, provenance, region)]


def _paths(control: Control, labels: Sequence[str], given: Sequence[Answer]) -> tuple[TaxonomyPath, ...]:
    """Return the taxonomy paths of joined labels.

    A label is split at slashes only if neither the config nor an annotation contains its path, since names may contain slashes.
    """
    said = [path for answer in given for path in read_region(answer.region, control)]
    known = {join_path(path): path for path in (*control.paths, *said)}
    return tuple(known.get(label) or tuple(label.split("/")) for label in labels)


def _objects(control: Control, voters: Sequence[Statement], task: int, verdicts: _Verdicts) -> list[DrawnObject]:
    kept = []
    for number, cluster in enumerate(cluster_objects(voters, control.name)):
        verdict = verdicts.get((task, control.name, str(number)))
        if verdict is not None and verdict.label != NOTHING:
            kept.append(_merged(cluster, verdict, control))
    return kept


def _merged(cluster: Cluster, verdict: _Verdict, control: Control) -> DrawnObject:
    members = list(cluster.values())
    best = _most_alike(members)
    shape = _middle([one.shape for one in members], best.size) or best.shape
    plain = shape.full(best.size) if isinstance(shape, Footprint) else shape
    encode, known = CONTROLS[control.tag].encode, _of_task(control, (verdict.label,))
    try:
        region = encode(plain, control=known, label=verdict.label, size=best.size, score=verdict.probability)
    except ControlError:
        # Some drawn shapes cannot be encoded, such as a rotated box that extends beyond the image: keep the drawn region.
        shape, value = best.shape, {**best.region["value"], control.tag.lower(): [verdict.label]}
        region = {**best.region, "value": value, "score": verdict.probability}
    return replace(
        best,
        id=region["id"],
        label=verdict.label,
        shape=shape,
        probability=verdict.probability,
        provenance=Provenance.joined([one.provenance for one in members]),
        region=region,
    )


def _most_alike(members: Sequence[DrawnObject]) -> DrawnObject:
    """Return the member with the largest total overlap with the others; of equal ones the newest."""
    scores = [sum(overlap(one, other) for other in members if other is not one) for one in members]
    return members[max(range(len(members)), key=lambda place: (scores[place], place))]


def _middle(shapes: Sequence[Shape], size: Size) -> Shape | None:
    """Return the majority mask, or the median point or upright box; None for other shapes and for an empty majority mask."""
    if all(isinstance(shape, Footprint) for shape in shapes):
        return _most_covered([shape for shape in shapes if isinstance(shape, Footprint)], size)
    if all(isinstance(shape, Point) for shape in shapes):
        x, y = np.median([(shape.x, shape.y) for shape in shapes if isinstance(shape, Point)], axis=0).tolist()
        return Point(x, y)
    upright = [shape for shape in shapes if isinstance(shape, Box) and shape.rotation == 0]
    if len(upright) < len(shapes):
        return None
    edges = [(box.x, box.y, box.x + box.width, box.y + box.height) for box in upright]
    left, top, right, low = np.median(edges, axis=0).tolist()
    return Box(left, top, right - left, low - top)


def _most_covered(footprints: Sequence[Footprint], size: Size) -> Footprint | None:
    width, height = size
    counts = np.zeros((height, width), dtype=np.int16)
    for footprint in footprints:
        rows, columns = footprint.pixels.shape
        counts[footprint.y : footprint.y + rows, footprint.x : footprint.x + columns] += footprint.pixels
    most: Mask = counts * 2 > len(footprints)
    return Footprint.of_mask(most) if most.any() else None


def _of_task(control: Control, labels: Sequence[str], paths: tuple[TaxonomyPath, ...] = ()) -> Control:
    """Return the control with these labels added if its labels come from the task's data instead of the config."""
    if control.labels:
        return control
    return replace(control, labels=tuple(Label(label) for label in labels), paths=paths)

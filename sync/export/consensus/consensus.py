"""Consensus: which annotations the data set contains where several people annotated one task."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from sync.controls import ANSWERS, CONTROLS, ControlError, Kind
from sync.export.consensus.objects import Cluster, cluster_objects, overlap
from sync.export.consensus.votes import NOTHING, YES, Question, Vote, dawid_skene, majority, newest_of_each, votes_of
from sync.export.drawn_objects import DrawnObject, Provenance, Shape
from sync.export.records import Answer, ParsedAnnotation
from sync.geometry.footprint import Footprint
from sync.geometry.shapes import Box, Mask, Point, Size
from sync.labelling.config import Control, Label, LabelConfig, join_path
from sync.labelling.reading import read_region

__all__ = ["CONSENSUS", "Decision", "decide_by_votes", "keep_all", "keep_latest"]

Decision = Callable[[int, Sequence[ParsedAnnotation]], list[ParsedAnnotation]]
"""Maps a task's number and its annotations, ordered by time, to the annotations that are exported."""

TIE = 1e-9
"""Labels whose shares differ by at most this are tied."""

TaxonomyPath = tuple[str, ...]


def keep_latest(_task: int, annotations: Sequence[ParsedAnnotation]) -> list[ParsedAnnotation]:
    """Return the newest annotation only."""
    return list(annotations[-1:])


def keep_all(_task: int, annotations: Sequence[ParsedAnnotation]) -> list[ParsedAnnotation]:
    """Return all annotations."""
    return list(annotations)


def decide_by_votes(
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

    def decide(task: int, annotations: Sequence[ParsedAnnotation]) -> list[ParsedAnnotation]:
        voters = newest_of_each(annotations)
        if len(voters) < 2:
            return voters
        ballots: dict[Question, list[str]] = {}
        for vote in votes_of(task, voters, config):
            ballots.setdefault(vote.question, []).append(vote.label)
        verdicts = {question: _winner(outcomes[question], labels) for question, labels in ballots.items()}
        answers = [answer for control in config.controls for answer in _answers(control, voters, task, verdicts)]
        objects = [obj for control in config.controls for obj in _objects(control, voters, task, verdicts)]
        regions = (*(answer.region for answer in answers), *(obj.region for obj in objects))
        return [
            ParsedAnnotation(
                number=None,
                annotator=None,
                time=voters[-1].time,
                objects=tuple(objects),
                answers=tuple(answers),
                regions=regions,
            )
        ]

    return decide


CONSENSUS: dict[str, Callable[[Iterable[Vote], LabelConfig], Decision]] = {
    "latest": lambda _votes, _config: keep_latest,
    "majority": lambda votes, config: decide_by_votes(votes, config, count=majority),
    "dawid-skene": lambda votes, config: decide_by_votes(votes, config, count=dawid_skene),
    "all": lambda _votes, _config: keep_all,
}


class _Verdict(NamedTuple):
    label: str
    probability: float


_Verdicts = Mapping[Question, _Verdict]


def _winner(shares: Mapping[str, float], ballot: Sequence[str]) -> _Verdict:
    """Return the label with the largest share; `ballot` holds the labels of the votes, the newest last."""
    largest_share = max(shares.values())
    first = [label for label in reversed(ballot) if shares.get(label, 0.0) >= largest_share - TIE]
    label = first[0] if first else max(shares, key=lambda label: shares[label])
    return _Verdict(label, min(shares[label], 1.0))


def _answers(control: Control, voters: Sequence[ParsedAnnotation], task: int, verdicts: _Verdicts) -> list[Answer]:
    answers = [answer for voter in voters for answer in voter.answers if answer.control == control.name]
    if not answers:
        return []
    provenance = Provenance.join([answer.provenance for answer in answers])
    codec = ANSWERS[control.tag]
    if codec.KIND is Kind.NUMBER:
        number = float(np.median([answer.number for answer in answers if answer.number is not None]))
        return [Answer(control.name, (), number, None, provenance, codec.encode(number, control=control))]
    probability: float
    if control.multiple:
        voted_labels = list(dict.fromkeys(label for answer in answers for label in answer.labels))
        verdict_of = {label: verdicts[(task, f"{control.name}: {label}", label)] for label in voted_labels}
        labels = tuple(label for label in voted_labels if verdict_of[label].label == YES)
        if not labels:
            return []
        probability = min(verdict_of[label].probability for label in labels)
    else:
        verdict = verdicts[(task, control.name, "")]
        labels, probability = (verdict.label,), verdict.probability
    paths = _paths(control, labels, answers) if codec.NESTED else ()
    region = codec.encode(paths or labels, control=_of_task(control, labels, paths), score=probability)
    return [Answer(control.name, labels, None, probability, provenance, region)]


def _paths(control: Control, labels: Sequence[str], answers: Sequence[Answer]) -> tuple[TaxonomyPath, ...]:
    """Return the taxonomy paths of joined labels.

    A label is split at slashes only if neither the config nor an annotation contains its path, since names may contain slashes.
    """
    voted_paths = [path for answer in answers for path in read_region(answer.region, control)]
    path_of = {join_path(path): path for path in (*control.paths, *voted_paths)}
    return tuple(path_of.get(label) or tuple(label.split("/")) for label in labels)


def _objects(control: Control, voters: Sequence[ParsedAnnotation], task: int, verdicts: _Verdicts) -> list[DrawnObject]:
    objects = []
    for number, cluster in enumerate(cluster_objects(voters, control.name)):
        verdict = verdicts.get((task, control.name, str(number)))
        if verdict is not None and verdict.label != NOTHING:
            objects.append(_merge(cluster, verdict, control))
    return objects


def _merge(cluster: Cluster, verdict: _Verdict, control: Control) -> DrawnObject:
    members = list(cluster.values())
    medoid = _find_most_similar(members)
    shape = _average_shapes([member.shape for member in members], medoid.size) or medoid.shape
    plain = shape.to_mask(medoid.size) if isinstance(shape, Footprint) else shape
    encode, labelled_control = CONTROLS[control.tag].encode, _of_task(control, (verdict.label,))
    try:
        region = encode(plain, control=labelled_control, label=verdict.label, size=medoid.size, score=verdict.probability)
    except ControlError:
        # Some drawn shapes cannot be encoded, such as a rotated box that extends beyond the image: keep the drawn region.
        shape, value = medoid.shape, {**medoid.region["value"], control.tag.lower(): [verdict.label]}
        region = {**medoid.region, "value": value, "score": verdict.probability}
    return replace(
        medoid,
        id=region["id"],
        label=verdict.label,
        shape=shape,
        probability=verdict.probability,
        provenance=Provenance.join([member.provenance for member in members]),
        region=region,
    )


def _find_most_similar(members: Sequence[DrawnObject]) -> DrawnObject:
    """Return the member with the largest total overlap with the others; of equal ones the newest."""
    scores = [sum(overlap(member, other) for other in members if other is not member) for member in members]
    return members[max(range(len(members)), key=lambda place: (scores[place], place))]


def _average_shapes(shapes: Sequence[Shape], size: Size) -> Shape | None:
    """Return the majority mask, or the median point or upright box; None for other shapes and for an empty majority mask."""
    if all(isinstance(shape, Footprint) for shape in shapes):
        return _cover_majority([shape for shape in shapes if isinstance(shape, Footprint)], size)
    if all(isinstance(shape, Point) for shape in shapes):
        x, y = np.median([(shape.x, shape.y) for shape in shapes if isinstance(shape, Point)], axis=0).tolist()
        return Point(x, y)
    upright = [shape for shape in shapes if isinstance(shape, Box) and shape.rotation == 0]
    if len(upright) < len(shapes):
        return None
    edges = [(box.x, box.y, box.x + box.width, box.y + box.height) for box in upright]
    left, top, right, low = np.median(edges, axis=0).tolist()
    return Box(left, top, right - left, low - top)


def _cover_majority(footprints: Sequence[Footprint], size: Size) -> Footprint | None:
    width, height = size
    counts = np.zeros((height, width), dtype=np.int16)
    for footprint in footprints:
        rows, columns = footprint.pixels.shape
        counts[footprint.y : footprint.y + rows, footprint.x : footprint.x + columns] += footprint.pixels
    majority: Mask = counts * 2 > len(footprints)
    return Footprint.of_mask(majority) if majority.any() else None


def _of_task(control: Control, labels: Sequence[str], paths: tuple[TaxonomyPath, ...] = ()) -> Control:
    """Return the control with these labels added if its labels come from the task's data instead of the config."""
    if control.labels:
        return control
    return replace(control, labels=tuple(Label(label) for label in labels), paths=paths)

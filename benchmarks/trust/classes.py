"""The loop on labelled galaxies, without Label Studio: queue, training and gate, one version after the other.

Heads, offsets, the order of the queue, folds, comparison and decision are the product's. Not included: reading, storing, groups
of neighbours (each galaxy is its own group), and several annotators (each label is the set's).
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backend.heads.classification.morphology import Morphology
from backend.heads.errors import NotEnoughLabels
from backend.loop.gate.change import MOST_TASKS
from backend.loop.gate.decision import HeadOrigin, decide, decide_on_change
from backend.loop.scores.comparison import Comparison, compare
from backend.loop.training.cross_validation import assign_folds, plan_of_classes
from backend.prediction.base_classifier import BaseClassifier
from backend.prediction.control_models import ClassModel, base_offset
from backend.prediction.control_models.agreement import class_agreement
from backend.prediction.factory import BASE_MORPHOLOGY
from benchmarks.trust.steps import Step, measure_step
from sync.labelling.config import Control, parse

__all__ = ["BATCH", "HELD_OUT_ONE_IN", "Galaxies", "Run", "by_gate", "by_point_estimate", "read_galaxies", "run_loop"]

BATCH = 10
HELD_OUT_ONE_IN = 5
OLD_MINIMUM_JUDGED = 5
BASE = BaseClassifier.alone(Morphology.load(BASE_MORPHOLOGY))

Indices = NDArray[np.intp]
Rule = Callable[["Loop", Morphology], HeadOrigin]


@dataclass(frozen=True, slots=True, eq=False)
class Galaxies:
    """Embeddings, shape (n, d), one-hot classes, shape (n, k), and the control of the classes."""

    embeddings: NDArray[np.float32]
    targets: NDArray[np.float64]
    control: Control


@dataclass(frozen=True, slots=True)
class Run:
    """Result of one label order: steps, trained versions, first and last score, and accuracy after each batch."""

    steps: list[Step]
    trained: int
    first: float
    last: float
    right: list[float]


@dataclass(eq=False)
class Loop:
    """State of a loop."""

    galaxies: Galaxies
    audit: frozenset[int]
    labelled: list[int] = field(default_factory=list)
    live: Morphology | None = None
    live_learned: tuple[int, ...] = ()
    _fitted: dict[tuple[int, ...], Morphology | None] = field(default_factory=dict)

    @property
    def training(self) -> tuple[int, ...]:
        """Return the annotated tasks that a version may be trained on."""
        return tuple(sorted(set(self.labelled) - self.audit))

    @property
    def judging(self) -> Indices:
        """Return the annotated tasks that are held out."""
        return np.array(sorted(set(self.labelled) & self.audit), np.intp)

    def fit(self, learned: Sequence[int]) -> Morphology | None:
        """Return a head fitted as in the product's training; None if there are too few labels."""
        key = tuple(learned)
        if key not in self._fitted:
            rows, control = np.array(key, np.intp), self.galaxies.control
            classes = [label.value for label in control.labels]
            embeddings, targets = self.galaxies.embeddings[rows], self.galaxies.targets[rows]
            try:
                offset = base_offset(embeddings, control, BASE) if len(rows) else None
                self._fitted[key] = Morphology.fit(embeddings, targets, classes=classes, exclusive=True, offset=offset)
            except NotEnoughLabels:
                self._fitted[key] = None
        return self._fitted[key]

    def scores(self, head: Morphology | None, rows: Indices) -> NDArray[np.float64]:
        """Return one minus the Brier score on each task; 0 if no head predicts the control."""
        probabilities = self.probabilities(head, rows)
        if probabilities is None:
            return np.zeros(len(rows))
        return class_agreement(probabilities, self.galaxies.targets[rows], exclusive=True)

    def probabilities(self, head: Morphology | None, rows: Indices) -> NDArray[np.float64] | None:
        """Return a head's probabilities for some tasks; None if the shipped head has none of the labels."""
        embeddings = self.galaxies.embeddings[rows]
        if head is None and base_offset(embeddings[:1], self.galaxies.control, BASE) is None:
            return None
        return ClassModel(self.galaxies.control, head, BASE).probabilities(embeddings)

    def next_batch(self, order: Indices) -> list[int]:
        """Return the next tasks of the queue: one in five held out, in random order, and the least certain ones."""
        open_tasks = np.array([task for task in order if task not in set(self.labelled)], np.intp)
        held_out = [int(task) for task in open_tasks if int(task) in self.audit][: BATCH // HELD_OUT_ONE_IN]
        others = np.array([task for task in open_tasks if int(task) not in self.audit], np.intp)
        probabilities = self.probabilities(self.live, others) if len(others) else None
        if probabilities is not None:
            model = ClassModel(self.galaxies.control, self.live, BASE)
            others = others[
                np.argsort(model.acquisition_confidence(self.galaxies.embeddings[others], probabilities), kind="stable")
            ]
        return held_out + others[: BATCH - len(held_out)].tolist()


def by_gate(loop: Loop, candidate: Morphology) -> HeadOrigin:
    """Decide by the product's rule: compare held-out and cross-validated scores with the live version and the shipped head."""
    judging, training = loop.judging, np.array(loop.training, np.intp)
    plan = plan_of_classes(len(training))
    assert plan is not None
    strata = loop.galaxies.targets[training].argmax(axis=1).tolist()
    compared_heads = [(candidate, loop.training), (loop.live, loop.live_learned), (None, ())]
    scores: list[NDArray[np.float64]] = []
    for head, learned in compared_heads:
        rows = []
        for seed in range(plan.repeats):
            fold = assign_folds(training.tolist(), strata, folds=plan.folds, seed=seed)
            resampled = np.zeros(len(training))
            for number in range(plan.folds):
                inside = training[fold == number]
                touched = set(inside.tolist()) & set(learned)
                refitted = loop.fit([task for task in learned if task not in set(inside.tolist())]) if touched else head
                # A task that the head was not trained on is scored by the head itself, without refitting.
                alone = np.array([task not in touched for task in inside.tolist()], bool)
                resampled[fold == number] = np.where(alone, loop.scores(head, inside), loop.scores(refitted, inside))
            rows.append(np.concatenate([loop.scores(head, judging), resampled]))
        scores.append(np.stack(rows))
    marks = [False] * len(judging) + [True] * len(training)

    def against(first: int, other: int) -> Comparison:
        return compare(scores[first], scores[other], cross_validated=marks, folds=plan.folds)

    changes = [
        set(loop.galaxies.targets[list(learned)].argmax(axis=1).tolist()) if learned else set() for _, learned in compared_heads
    ]
    offset = base_offset(loop.galaxies.embeddings[:1], loop.galaxies.control, BASE)
    shipped = set() if offset is None else set(np.flatnonzero(~np.isnan(offset[0])).tolist())
    new = changes[0] - changes[1] - shipped
    labels = tuple(loop.galaxies.control.labels[index].value for index in sorted(new))
    decision = decide(against(0, 1), against(0, 2), against(1, 2), new_labels=labels)
    taken = {HeadOrigin.CANDIDATE: 0, HeadOrigin.LIVE: 1, HeadOrigin.SHIPPED: 2}[decision.origin]
    held_out = compare(*(scores[place][:, : len(judging)] for place in (taken, 1)))
    change = [
        _change(loop, compared_heads[taken][0], tasks)
        for tasks in (_unlabelled(loop, np.arange(len(loop.galaxies.targets))), training)
    ]
    return decide_on_change(decision, change=change[0], compared=change[1], held_out=held_out).origin


def _change(loop: Loop, head: Morphology | None, tasks: Indices) -> float:
    """Return how much a head changes the predictions of some tasks, as `change_of_classes`; 0 without previous predictions."""
    drawn = np.random.default_rng(0).permutation(tasks)[:MOST_TASKS]
    new, live = loop.probabilities(head, drawn), loop.probabilities(loop.live, drawn)
    return 0.0 if new is None or live is None else float(1 - class_agreement(new, live, exclusive=True).mean())


def by_point_estimate(loop: Loop, candidate: Morphology) -> HeadOrigin:
    """Decide by the previous rule: the better mean on held-out tasks; with fewer than five, the head with more labels."""
    judging = loop.judging
    if len(judging) < OLD_MINIMUM_JUDGED:
        return HeadOrigin.CANDIDATE if len(loop.training) >= len(loop.live_learned) else HeadOrigin.LIVE
    better = loop.scores(candidate, judging).mean() >= loop.scores(loop.live, judging).mean()
    return HeadOrigin.CANDIDATE if better else HeadOrigin.LIVE


def run_loop(galaxies: Galaxies, rule: Rule, *, seed: int, batches: int) -> Run:
    """Annotate one batch after the other in the order of the queue."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(galaxies.targets))
    loop = Loop(galaxies, frozenset(rng.permutation(order)[: len(order) // HELD_OUT_ONE_IN].tolist()))
    steps, trained = [], 0
    right = [_accuracy(loop, order)]
    for _ in range(batches):
        loop.labelled += loop.next_batch(order)
        candidate = loop.fit(loop.training)
        if candidate is not None:
            trained += 1
            taken = rule(loop, candidate)
            if taken is not HeadOrigin.LIVE:
                head = candidate if taken is HeadOrigin.CANDIDATE else None
                rest = _unlabelled(loop, order)
                steps.append(measure_step(loop.scores(loop.live, rest), loop.scores(head, rest), labels=len(loop.labelled)))
                loop.live, loop.live_learned = head, loop.training if head is candidate else ()
        right.append(_accuracy(loop, order))
    rest = _unlabelled(loop, order)
    return Run(steps, trained, float(loop.scores(None, rest).mean()), float(loop.scores(loop.live, rest).mean()), right)


def read_galaxies(
    folder: Path,
    column: str,
    classes: dict[str, str],
    embed: Callable[[Path], NDArray[np.float32]],
    *,
    splits: Sequence[str],
    most: int | None = None,
) -> Galaxies:
    """Read a set's `labels.csv`.

    Parameters
    ----------
    classes : dict
        From values of `column` to labels of the control; rows with other values are left out.
    embed : callable
        Embeds one image.
    splits : sequence of str
        Values of the column `split` to read.
    most : int, optional
        Largest number of galaxies, chosen at random.
    """
    labels = list(dict.fromkeys(classes.values()))
    written = "".join(f'<Choice value="{label}"/>' for label in labels)
    config = f'<View><Image name="image" value="$image"/><Choices name="class" toName="image">{written}</Choices></View>'
    with (folder / "labels.csv").open() as lines:
        rows = [row for row in csv.DictReader(lines) if row[column] in classes and row["split"] in splits]
    if most is not None:
        rows = [rows[index] for index in np.random.default_rng(0).permutation(len(rows))[:most]]
    embeddings = np.stack([embed(folder / row["file"]) for row in rows])
    targets = np.array([[label == classes[row[column]] for label in labels] for row in rows], np.float64)
    return Galaxies(embeddings, targets, parse(config).controls[0])


def _unlabelled(loop: Loop, order: Indices) -> Indices:
    return np.array([task for task in order if task not in set(loop.labelled)], np.intp)


def _accuracy(loop: Loop, order: Indices) -> float:
    rest = _unlabelled(loop, order)
    probabilities = loop.probabilities(loop.live, rest)
    if probabilities is None:
        return 0.0
    return float((probabilities.argmax(axis=1) == loop.galaxies.targets[rest].argmax(axis=1)).mean())

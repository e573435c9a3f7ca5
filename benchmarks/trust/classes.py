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
from backend.heads.inputs import HeadInputs
from backend.loop.gate.decision import HeadOrigin
from backend.prediction.base_classifier import BaseClassifier
from backend.prediction.control_models import ClassModel, base_offset
from backend.prediction.control_models.agreement import class_agreement
from backend.prediction.factory import BASE_MORPHOLOGY
from benchmarks.trust.steps import Step, measure_step
from sync.labelling.config import Control, parse

__all__ = ["BASE", "BATCH", "HELD_OUT_ONE_IN", "Galaxies", "Loop", "Rule", "Run", "read_galaxies", "run_loop"]

BATCH = 10
HELD_OUT_ONE_IN = 5
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
    """State of a loop.

    Attributes
    ----------
    galaxies : Galaxies
    audit : frozenset of int
        Held-out galaxies.
    labelled_galaxies : list of int
    live : Morphology or None
        None is the shipped head.
    live_learned : tuple of int
        Galaxies that the live head was trained on.
    """

    galaxies: Galaxies
    audit: frozenset[int]
    labelled_galaxies: list[int] = field(default_factory=list)
    live: Morphology | None = None
    live_learned: tuple[int, ...] = ()
    _heads: dict[tuple[int, ...], Morphology | None] = field(default_factory=dict)

    @property
    def training(self) -> tuple[int, ...]:
        """Return the annotated tasks that a version may be trained on."""
        return tuple(sorted(set(self.labelled_galaxies) - self.audit))

    @property
    def judging(self) -> Indices:
        """Return the annotated tasks that are held out."""
        return np.array(sorted(set(self.labelled_galaxies) & self.audit), np.intp)

    def fit(self, tasks_learned: Sequence[int]) -> Morphology | None:
        """Return a head fitted as in the product's training; None if there are too few labels."""
        key = tuple(tasks_learned)
        if key not in self._heads:
            rows, control = np.array(key, np.intp), self.galaxies.control
            classes = [label.value for label in control.labels]
            embeddings, targets = self.galaxies.embeddings[rows], self.galaxies.targets[rows]
            try:
                offset = base_offset(embeddings, control, BASE) if len(rows) else None
                self._heads[key] = Morphology.fit(embeddings, targets, classes=classes, exclusive=True, offset=offset)
            except NotEnoughLabels:
                self._heads[key] = None
        return self._heads[key]

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
        return ClassModel(self.galaxies.control, head, BASE).probabilities(HeadInputs.of_images(embeddings))

    def list_unlabelled(self, order: Indices) -> Indices:
        """Return the galaxies of an order that have no label."""
        return order[~np.isin(order, self.labelled_galaxies)]

    def next_batch(self, order: Indices) -> list[int]:
        """Return the next tasks of the queue: one in five held out, in random order, and the least certain ones."""
        open_tasks = self.list_unlabelled(order)
        held_out = [int(task) for task in open_tasks if int(task) in self.audit][: BATCH // HELD_OUT_ONE_IN]
        others = np.array([task for task in open_tasks if int(task) not in self.audit], np.intp)
        probabilities = self.probabilities(self.live, others) if len(others) else None
        if probabilities is not None:
            model = ClassModel(self.galaxies.control, self.live, BASE)
            inputs = HeadInputs.of_images(self.galaxies.embeddings[others])
            others = others[np.argsort(model.acquisition_confidence(inputs, probabilities), kind="stable")]
        return held_out + others[: BATCH - len(held_out)].tolist()


def run_loop(galaxies: Galaxies, rule: Rule, *, seed: int, batches: int, holds_out: bool = True) -> Run:
    """Annotate one batch after the other in the order of the queue, with or without held-out galaxies."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(galaxies.targets))
    held_out = rng.permutation(order)[: len(order) // HELD_OUT_ONE_IN] if holds_out else order[:0]
    loop = Loop(galaxies, frozenset(held_out.tolist()))
    steps, trained_count = [], 0
    right = [_accuracy(loop, order)]
    for _ in range(batches):
        loop.labelled_galaxies += loop.next_batch(order)
        candidate = loop.fit(loop.training)
        if candidate is not None:
            trained_count += 1
            answer = rule(loop, candidate)
            if answer is not HeadOrigin.LIVE:
                head = candidate if answer is HeadOrigin.CANDIDATE else None
                rest = loop.list_unlabelled(order)
                steps.append(
                    measure_step(loop.scores(loop.live, rest), loop.scores(head, rest), labels=len(loop.labelled_galaxies))
                )
                loop.live, loop.live_learned = head, loop.training if head is candidate else ()
        right.append(_accuracy(loop, order))
    rest = loop.list_unlabelled(order)
    return Run(steps, trained_count, float(loop.scores(None, rest).mean()), float(loop.scores(loop.live, rest).mean()), right)


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
    choices_xml = "".join(f'<Choice value="{label}"/>' for label in labels)
    config = f'<View><Image name="image" value="$image"/><Choices name="class" toName="image">{choices_xml}</Choices></View>'
    with (folder / "labels.csv").open() as lines:
        rows = [row for row in csv.DictReader(lines) if row[column] in classes and row["split"] in splits]
    if most is not None:
        rows = [rows[index] for index in np.random.default_rng(0).permutation(len(rows))[:most]]
    embeddings = np.stack([embed(folder / row["file"]) for row in rows])
    targets = np.array([[label == classes[row[column]] for label in labels] for row in rows], np.float64)
    return Galaxies(embeddings, targets, parse(config).controls[0])


def _accuracy(loop: Loop, order: Indices) -> float:
    rest = loop.list_unlabelled(order)
    probabilities = loop.probabilities(loop.live, rest)
    if probabilities is None:
        return 0.0
    return float((probabilities.argmax(axis=1) == loop.galaxies.targets[rest].argmax(axis=1)).mean())

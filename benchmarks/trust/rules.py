"""The rules that the trust benchmark compares, and the measurements that they read.

Folds, refits, comparison and decision are the product's (`backend/loop/gate`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.heads.classification.morphology import Morphology
from backend.loop.gate.candidates import ENOUGH_HELD_OUT
from backend.loop.gate.change import MOST_TASKS
from backend.loop.gate.decision import Decision, HeadOrigin, decide, decide_on_change
from backend.loop.scores.comparison import Comparison, ComparisonResult, compare
from backend.loop.training.cross_validation import FoldPlan, assign_folds, plan_of_classes
from backend.prediction.control_models import base_offset
from backend.prediction.control_models.agreement import class_agreement
from benchmarks.trust.classes import BASE, Loop

__all__ = ["Evidence", "by_gate", "by_point_estimate", "by_significance", "measure", "unless_worse"]

OLD_MINIMUM_JUDGED = 5
PLACES = {HeadOrigin.CANDIDATE: 0, HeadOrigin.LIVE: 1, HeadOrigin.SHIPPED: 2}


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the gate measures of a candidate.

    Attributes
    ----------
    versus_live, versus_shipped, live_versus_shipped : Comparison
    new_labels : tuple of str
    labels, live_labels : int
        Number of labels that the candidate and the live head were trained on; 0 for the shipped head.
    limit : callable
        Applies `decide_on_change` to a decision.
    """

    versus_live: Comparison
    versus_shipped: Comparison
    live_versus_shipped: Comparison
    new_labels: tuple[str, ...]
    labels: int
    live_labels: int
    limit: Callable[[Decision], Decision]


def measure(loop: Loop, candidate: Morphology) -> Evidence:
    """Compare held-out and cross-validated scores of a candidate with those of the live version and the shipped head."""
    judging = loop.judging
    training = np.array(loop.training if len(judging) < ENOUGH_HELD_OUT else (), np.intp)
    plan = plan_of_classes(len(training)) or FoldPlan(2, 1)
    strata = loop.galaxies.targets[training].argmax(axis=1).tolist()
    compared_heads = [(candidate, loop.training), (loop.live, loop.live_learned), (None, ())]
    scores: list[NDArray[np.float64]] = []
    for head, training_tasks in compared_heads:
        rows = []
        for seed in range(plan.repeats):
            fold = assign_folds(training.tolist(), strata, folds=plan.folds, seed=seed)
            resampled_scores = np.zeros(len(training))
            for number in range(plan.folds):
                inside = training[fold == number]
                overlap = set(inside.tolist()) & set(training_tasks)
                refit_head = (
                    loop.fit([task for task in training_tasks if task not in set(inside.tolist())]) if overlap else head
                )
                # A task that the head was not trained on is scored by the head itself, without refitting.
                alone = np.array([task not in overlap for task in inside.tolist()], bool)
                resampled_scores[fold == number] = np.where(alone, loop.scores(head, inside), loop.scores(refit_head, inside))
            rows.append(np.concatenate([loop.scores(head, judging), resampled_scores]))
        scores.append(np.stack(rows))
    marks = [False] * len(judging) + [True] * len(training)

    def against(first: int, other: int) -> Comparison:
        return compare(scores[first], scores[other], cross_validated=marks, folds=plan.folds)

    def limit(decision: Decision) -> Decision:
        place = PLACES[decision.origin]
        held_out = compare(*(scores[index][:, : len(judging)] for index in (place, 1)))
        all_rows = np.arange(len(loop.galaxies.targets))
        annotated_rows = np.array(loop.training, np.intp)
        change = [_change(loop, compared_heads[place][0], tasks) for tasks in (loop.list_unlabelled(all_rows), annotated_rows)]
        return decide_on_change(decision, change=change[0], annotated_change=change[1], held_out=held_out)

    return Evidence(
        against(0, 1), against(0, 2), against(1, 2), _new_labels(loop), len(loop.training), len(loop.live_learned), limit
    )


def by_gate(loop: Loop, candidate: Morphology) -> HeadOrigin:
    """Decide by the product's rule."""
    evidence = measure(loop, candidate)
    has_more_labels = evidence.labels > evidence.live_labels > 0
    return evidence.limit(_decide(evidence, has_more_labels=has_more_labels)).origin


def by_significance(loop: Loop, candidate: Morphology) -> HeadOrigin:
    """Decide by the product's rule without the exception for candidates with more labels."""
    evidence = measure(loop, candidate)
    return evidence.limit(_decide(evidence, has_more_labels=False)).origin


def unless_worse(loop: Loop, candidate: Morphology) -> HeadOrigin:
    """Take every candidate that is not significantly worse than the live version or the shipped head."""
    evidence = measure(loop, candidate)
    worse = ComparisonResult.WORSE in (evidence.versus_live.answer, evidence.versus_shipped.answer)
    return HeadOrigin.LIVE if worse else HeadOrigin.CANDIDATE


def by_point_estimate(loop: Loop, candidate: Morphology) -> HeadOrigin:
    """Decide by the previous rule: the better mean on held-out tasks; with fewer than five, the head with more labels."""
    judging = loop.judging
    if len(judging) < OLD_MINIMUM_JUDGED:
        return HeadOrigin.CANDIDATE if len(loop.training) >= len(loop.live_learned) else HeadOrigin.LIVE
    better = loop.scores(candidate, judging).mean() >= loop.scores(loop.live, judging).mean()
    return HeadOrigin.CANDIDATE if better else HeadOrigin.LIVE


def _decide(evidence: Evidence, *, has_more_labels: bool) -> Decision:
    return decide(
        evidence.versus_live,
        evidence.versus_shipped,
        evidence.live_versus_shipped,
        new_labels=evidence.new_labels,
        has_more_labels=has_more_labels,
    )


def _new_labels(loop: Loop) -> tuple[str, ...]:
    """Return the classes of the candidate's labels that neither the live nor the shipped head can predict."""
    classes = [
        set(loop.galaxies.targets[list(training_tasks)].argmax(axis=1).tolist()) if training_tasks else set[int]()
        for training_tasks in (loop.training, loop.live_learned)
    ]
    offset = base_offset(loop.galaxies.embeddings[:1], loop.galaxies.control, BASE)
    shipped_classes = set() if offset is None else set(np.flatnonzero(~np.isnan(offset[0])).tolist())
    return tuple(loop.galaxies.control.labels[index].value for index in sorted(classes[0] - classes[1] - shipped_classes))


def _change(loop: Loop, head: Morphology | None, tasks: NDArray[np.intp]) -> float:
    """Return how much a head changes the predictions of some tasks, as `change_of_classes`; 0 without previous predictions."""
    sample = np.random.default_rng(0).permutation(tasks)[:MOST_TASKS]
    new, live = loop.probabilities(head, sample), loop.probabilities(loop.live, sample)
    return 0.0 if new is None or live is None else float(1 - class_agreement(new, live, exclusive=True).mean())

"""Choice of the hyperparameters of a logistic regression by cross-validation: regularisation, use of the offset, temperature.

References
----------
Breiman et al. (1984), section 3.4.3 (the one-standard-error rule); Guo et al. (2017), ICML (temperature).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from backend.heads.classification.link import Link
from backend.heads.classification.logistic import Hyperparameters, logits_of, solve

__all__ = ["assign_folds", "choose_plan", "find_simplest", "tolerance"]

STRENGTHS = (0.3, 3.0, 30.0, 300.0)
OFFSET_WEIGHTS = (1.0, 0.0)
LOG_TEMPERATURE_SPREAD = 0.2
FEW = 6
"""Number of galaxies with which the tolerated standard error is doubled."""

Floats = NDArray[np.float32]


def choose_plan(
    features: Floats,
    targets: Floats,
    importance: Floats,
    *,
    prior: Floats | None,
    link: Link,
    caution: float = 1.0,
    seed: int,
) -> Hyperparameters:
    """Choose the simplest plan whose log loss on held-out galaxies is not clearly worse than that of the best plan.

    "Clearly worse" means by more than `caution` times the standard error of the difference, increased by a factor 1 + `FEW` /
    n. The simplest plan is the offset alone, followed by the offset with ever weaker regularisation, and by no offset.
    """
    caution = tolerance(len(targets), caution)
    folds = _Folds(features, targets, importance, prior, assign_folds(targets, link=link, seed=seed), link)
    trials: list[tuple[Hyperparameters, Floats, Floats]] = []  # plan, held-out logits, losses; the simplest first
    if prior is not None:
        trials.append((Hyperparameters(strength=0, offset_weight=1), prior, folds.losses(prior)))
    for share in (0.0,) if prior is None else OFFSET_WEIGHTS:
        starts: dict[int, tuple[Floats, Floats]] = {}
        best: Floats | None = None
        # A prior variance above the number of labels is excluded: for a class with one example, no fold can reject it.
        for plan in (Hyperparameters(strength, share) for strength in STRENGTHS if strength <= len(targets)):
            logits = folds.held_out_logits(plan, starts)
            losses = folds.losses(logits)
            trials.append((plan, logits, losses))
            if best is not None and _clearly_worse(losses, best, caution):
                break  # weaker regularisation would be even worse, and takes longest
            best = losses if best is None or losses.mean() < best.mean() else best
    plan, logits, _ = trials[find_simplest([losses for _, _, losses in trials], caution)]
    return replace(plan, temperature=folds.temperature(logits))


def tolerance(n: int, caution: float = 1.0) -> float:
    """Return how many standard deviations of the differences of n paired losses are tolerated in their mean."""
    return float(caution * (1 + FEW / n) / np.sqrt(n))


def find_simplest(losses: Sequence[Floats], caution: float) -> int:
    """Return the index of the first method whose losses are not clearly worse than those of the best one.

    Parameters
    ----------
    losses : sequence of ndarray, shape (n,)
        Losses of the same n held-out galaxies by each method, the simplest method first.
    caution : float
        From `tolerance`.
    """
    least = min(losses, key=lambda each: float(each.mean()))
    return next(index for index, each in enumerate(losses) if not _clearly_worse(each, least, caution))


class _Folds:
    """Labelled galaxies and the fold of each."""

    def __init__(
        self,
        features: Floats,
        targets: Floats,
        importance: Floats,
        prior: Floats | None,
        folds: NDArray[np.intp],
        link: Link,
    ) -> None:
        self.features, self.targets, self.importance, self.prior = features, targets, importance, prior
        self.folds, self.link = folds, link

    def losses(self, logits: Floats) -> Floats:
        """Return the log loss of each galaxy times its importance, shape (n,)."""
        return self.importance * self.link.log_loss(self.link.probabilities(logits), self.targets)

    def held_out_logits(self, plan: Hyperparameters, starts: dict[int, tuple[Floats, Floats]]) -> Floats:
        """Return the logits of each galaxy, shape (n, k), from a fit to the other folds; `starts` is read and updated."""
        held_out = np.full(self.targets.shape, np.nan, np.float32)
        for fold in range(int(self.folds.max()) + 1):
            test, train = self.folds == fold, self.folds != fold
            targets = self.targets[train]
            train_prior, test_prior = (None, None) if self.prior is None else (self.prior[train], self.prior[test])
            known_targets = self.link.learnable(targets)
            weights, bias = starts[fold] = solve(
                self.features[train],
                targets,
                self.importance[train],
                prior=train_prior,
                plan=plan,
                known_targets=known_targets,
                link=self.link,
                start=starts.get(fold),
            )
            held_out[test] = logits_of(
                self.features[test],
                test_prior,
                weights=weights,
                bias=bias,
                plan=plan,
                known_targets=known_targets,
                link=self.link,
            )
        return held_out

    def temperature(self, logits: Floats) -> float:
        """Return the temperature that calibrates held-out logits, regularised towards 1 (Guo et al. 2017)."""

        def cost(log_temperature: float) -> float:
            scaled_logits = logits / np.float32(np.exp(log_temperature))
            return float(self.losses(scaled_logits).sum()) + (log_temperature / LOG_TEMPERATURE_SPREAD) ** 2 / 2

        return float(np.exp(minimize_scalar(cost, bounds=(-1.5, 1.5), method="bounded").x))


def _clearly_worse(losses: Floats, best: Floats, caution: float) -> bool:
    difference = losses - best
    return float(difference.mean()) > caution * float(difference.std(ddof=1))


def assign_folds(targets: Floats, *, link: Link, seed: int) -> NDArray[np.intp]:
    """Return the fold of each galaxy, shape (n,), with similar targets spread evenly."""
    n = len(targets)
    count = 5 if n >= 50 else min(n, 10)
    order = np.random.default_rng(seed).permutation(n)
    order = order[np.argsort(link.groups(targets)[order], kind="stable")]
    folds = np.empty(n, dtype=np.intp)
    folds[order] = np.arange(n) % count
    return folds

"""Uncertainty: how much of what a linear classifier does not know more labels would cure, and how much they would not.

The Laplace approximation (MacKay 1992; for last layers Daxberger et al. 2021, NeurIPS) takes the weights that fit the labels as
the middle of a Gaussian whose covariance is the inverse curvature of the loss there. The curvature is taken as a product of one
between features and one between classes (Ritter, Botev & Barber 2018, ICLR), which is diagonal on the axes of both: enough to
rank galaxies, and a matrix product instead of the inversion of thousands of rows.

References
----------
MacKay (1992), Neural Computation 4, 448; Houlsby et al. (2011), arXiv:1112.5745.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from backend.heads.classification.logistic import class_weights, probabilities_of

__all__ = ["Posterior", "Uncertainty", "entropy", "split"]

DRAWS = 64
PRIOR_VARIANCE = 3.0
"""Of the logits. Not the strength that was chosen on folds: that is the most cautious one that few labels cannot tell from the
best, so it grows with the labels, and uncertainty would grow with it. Active learning was as good with 1, 3 and 10."""
LEAST_LEARNED = 0.01
"""Axes along which the labels took less than this share of the prior variance away are not kept."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Uncertainty:
    """The two kinds for each of n galaxies, in nats; together they are the entropy of the predicted probabilities.

    Attributes
    ----------
    epistemic : ndarray, shape (n,)
        What a label tells of the weights (BALD, Houlsby et al. 2011, eq. 2): falls as labels grow, high far from all of them.
    aleatoric : ndarray, shape (n,)
        Entropy that stays when the weights are known: galaxies that look like both, annotators who disagree.
    """

    epistemic: Floats
    aleatoric: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Posterior:
    """How far the weights of a fitted logistic regression are known.

    Attributes
    ----------
    turn : ndarray, shape (d, r)
        To the axes of the features that the labels have taught something along.
    information : ndarray, shape (r,)
        Sum of squares of the features along each.
    axes : ndarray, shape (k, k)
        Of the logits, one a column; 0 for what was not learned.
    curvature : ndarray, shape (k,)
        Mean curvature of the loss along each of them.
    count : float
        Number of galaxies, which is what the labels tell of the bias.
    """

    turn: Floats
    information: Floats
    axes: Floats
    curvature: Floats
    count: float

    @classmethod
    def of(
        cls,
        short: Floats,
        turn: Floats,
        targets: Floats,
        importance: Floats,
        *,
        logits: Floats,
        known: NDArray[np.bool_],
        exclusive: bool,
    ) -> Posterior:
        """The posterior around fitted weights.

        Parameters
        ----------
        short, turn : ndarray, shape (n, r) and (d, r)
            Features along their principal axes, and the turn to them.
        targets, importance, known : as `solve` had them
        logits : ndarray, shape (n, k)
            Fitted, before the temperature; NaN where nothing is known.
        """
        probabilities = np.where(known, probabilities_of(logits, exclusive=exclusive), 0)
        yes, no = class_weights(targets, importance, exclusive=exclusive)
        mass = importance[:, None] * (targets * yes + (0 if exclusive else (1 - targets) * no))
        if exclusive:
            mass = mass.sum(axis=1, keepdims=True)
        middle = np.diag((mass * probabilities).mean(axis=0)) - (mass * probabilities).T @ probabilities / len(short)
        if not exclusive:
            middle = np.diag((mass * probabilities * (1 - probabilities)).mean(axis=0))
        curvature, axes = np.linalg.eigh(middle.astype(np.float64))
        curvature, axes = curvature.clip(0, None), axes * known[:, None]
        information = np.square(short).sum(axis=0)
        kept = information * curvature.max() * PRIOR_VARIANCE > LEAST_LEARNED
        return cls(
            turn=np.ascontiguousarray(turn[:, kept]),
            information=information[kept],
            axes=axes.astype(np.float32),
            curvature=curvature.astype(np.float32),
            count=float(len(short)),
        )

    def deviations(self, standard: Floats) -> Floats:
        """Standard deviation of the logits along each of `axes`, shape (n, k), at standardised features of shape (n, d)."""
        turned = np.square(standard @ self.turn)
        learned = self.information[:, None] * self.curvature * np.float32(PRIOR_VARIANCE)
        learned_bias = np.float32(self.count * PRIOR_VARIANCE) * self.curvature
        length = np.square(standard).sum(axis=1, keepdims=True)
        # Off the kept axes the prior variance is left as it is, and an embedding unlike all that was labelled lies off them.
        variance = (length - turned @ (learned / (1 + learned))).clip(0, None) + 1 / (1 + learned_bias)
        return cast(Floats, np.sqrt(np.float32(PRIOR_VARIANCE) * variance))

    def draw(self, logits: Floats, deviations: Floats, *, exclusive: bool) -> Iterator[Floats]:
        """Probabilities, shape (n, k), by `DRAWS` sets of weights, the same for every call."""
        half = np.random.default_rng(0).standard_normal((DRAWS // 2, len(self.curvature))).astype(np.float32)
        for drawn in np.concatenate([half, -half]):
            yield probabilities_of(logits + (deviations * drawn) @ self.axes.T, exclusive=exclusive)


def entropy(probabilities: Floats, *, exclusive: bool) -> Floats:
    """Entropy, nats, shape (n,); of several questions the sum."""
    nats = -probabilities * np.log(probabilities.clip(1e-12, None))
    if not exclusive:
        nats = nats - (1 - probabilities) * np.log((1 - probabilities).clip(1e-12, None))
    return cast(Floats, nats.sum(axis=1))


def split(draws: Iterator[Floats], *, exclusive: bool) -> Uncertainty:
    """Split the entropy of probabilities that were drawn for the same galaxies, each of shape (n, k)."""
    mean: Floats | float = 0.0
    aleatoric: Floats | float = 0.0
    count = 0
    for probabilities in draws:
        mean, aleatoric, count = mean + probabilities, aleatoric + entropy(probabilities, exclusive=exclusive), count + 1
    aleatoric = cast(Floats, np.asarray(aleatoric / count, np.float32))
    total = entropy(cast(Floats, np.asarray(mean / count, np.float32)), exclusive=exclusive)
    return Uncertainty((total - aleatoric).clip(0, None), aleatoric)

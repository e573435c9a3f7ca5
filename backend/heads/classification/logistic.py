"""Regularised logistic regression with an offset and soft labels, used by the morphology head.

The logistic regression of scikit-learn supports neither soft labels nor an offset.

References
----------
King & Zeng (2001), Political Analysis 9, 137 (weighted classes shift the bias); Böhning (1992), Ann. Inst. Stat. Math. 44, 197.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from backend.heads.classification.link import Link

__all__ = ["Hyperparameters", "logits_of", "solve"]

CURVATURE = 0.1
"""Typical second derivative of the log loss in a logit: at most 1/4, at probability 1/2; smaller if classes are separated."""
PRECISION = {"maxiter": 60, "gtol": 3e-4, "ftol": 1e-5}

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """Hyperparameters of a fit, chosen on folds.

    Attributes
    ----------
    strength : float
        Prior variance of the logits; with 0, all weights are 0 and the offset alone predicts.
    offset_weight : float
        Share of the offset in the logits: 1 or 0.
    temperature : float
        The logits are divided by it.
    """

    strength: float
    offset_weight: float
    temperature: float = 1.0


def solve(
    features: Floats,
    targets: Floats,
    importance: Floats,
    *,
    prior: Floats | None,
    plan: Hyperparameters,
    known_targets: NDArray[np.bool_],
    link: Link,
    start: tuple[Floats, Floats] | None = None,
) -> tuple[Floats, Floats]:
    """Fit weights, shape (d, k), and bias, shape (k,), to `targets`.

    Parameters
    ----------
    features : ndarray, shape (n, d)
        Standardised, of unit mean square length; along their principal axes the fit converges fastest.
    targets : ndarray, shape (n, k)
        Soft labels, 0 to 1.
    importance : ndarray, shape (n,)
        Weight of each galaxy, 1 on average.
    prior : ndarray, shape (n, k), optional
        Logits to which the weighted features are added.
    known_targets : ndarray of bool, shape (k,)
        The columns to fit; the others have weights of 0 and, without a prior, the base logits of the link as their bias.
    plan : Hyperparameters
        Hyperparameters.
    link : Link
        Link function of the classes.
    start : (weights, bias), optional
        Initial values.
    """
    d, k = features.shape[1], targets.shape[1]
    has_offset = prior is not None and plan.offset_weight > 0
    weights, bias = np.zeros((d, k), np.float32), np.zeros(k, np.float32)
    if not has_offset:
        bias[~known_targets] = link.base_logits(targets, importance)[~known_targets]
    if plan.strength == 0 or not known_targets.any():
        return weights, bias
    active = link.active(known_targets, has_offset=has_offset)
    known_rows, target = known_targets[active], targets[:, active]
    positive, negative = link.weights(target, importance)
    # A constant feature for the bias.
    design = np.concatenate([features, np.ones((len(features), 1), np.float32)], axis=1)
    ridge = np.float32(1 / (len(features) * plan.strength))
    objective = _Objective(
        design=design,
        offset=np.float32(plan.offset_weight) * prior[:, active] if prior is not None else np.zeros_like(target),
        pull=target * positive * importance[:, None],
        mass=link.mass(target, importance, (positive, negative)),
        learned_columns=known_rows,
        ridge=ridge,
        # Preconditioning: the curvature of the loss is close to a diagonal matrix that is known in advance (Böhning 1992).
        step=1 / np.sqrt(CURVATURE * np.square(design).mean(axis=0) + ridge)[:, None],
        link=link,
    )
    shift = np.log(positive / negative)  # subtracted from the fitted bias (King & Zeng 2001)
    first = np.zeros((d + 1, len(known_rows)), np.float32)
    if start is not None:
        first = np.vstack([start[0][:, active], np.where(known_rows, start[1][active] + shift, 0)])
    solution = objective.minimise(first)
    weights[:, active] = solution[:d] * known_rows
    bias[active] = np.where(known_rows, solution[d] - shift, 0)
    return weights, bias


@dataclass(frozen=True, slots=True, eq=False)
class _Objective:
    """The regularised loss of d weights and a bias for each of k columns; `step` scales them to a curvature of about 1."""

    design: Floats
    offset: Floats
    pull: Floats
    mass: Floats
    learned_columns: NDArray[np.bool_]
    ridge: np.float32
    step: Floats
    link: Link

    def __call__(self, flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        n, width = self.design.shape
        w = self.step * flat.reshape(width, -1).astype(np.float32)
        loss, residual = self.link.loss(self.design @ w + self.offset, pull=self.pull, mass=self.mass)
        value = loss / n + 0.5 * float(self.ridge) * float(np.vdot(w, w))
        slope = self.step * (self.design.T @ (residual * self.learned_columns) / np.float32(n) + self.ridge * w)
        return value, slope.ravel().astype(np.float64)

    def minimise(self, first: Floats) -> Floats:
        flat = (first / self.step).ravel().astype(np.float64)
        solution = minimize(self, flat, jac=True, method="L-BFGS-B", options=PRECISION).x
        return cast(Floats, self.step * solution.reshape(first.shape).astype(np.float32))


def logits_of(
    features: Floats,
    prior: Floats | None,
    *,
    weights: Floats,
    bias: Floats,
    plan: Hyperparameters,
    known_targets: NDArray[np.bool_],
    link: Link,
) -> Floats:
    """Return logits, shape (n, k): NaN for classes that compete but have neither labels nor an offset."""
    logits = features @ weights + bias
    if prior is not None and plan.offset_weight > 0:
        logits = logits + np.float32(plan.offset_weight) * prior
    else:
        logits = link.without_offset(logits, known_targets)
    return cast(Floats, logits / np.float32(plan.temperature))

"""Regularised logistic regression with an offset: the arithmetic under the morphology head; its strength is chosen on folds.

Own code rather than scikit-learn's, which takes neither soft labels nor an offset.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit, log_expit, log_softmax, softmax

__all__ = ["Plan", "choose_plan", "logits_of", "probabilities_of", "solve", "told_apart"]

ABSENT_PROBABILITY = 0.01
ABSENT_TOTAL = 0.2
LEAST_PROBABILITY = 1e-4
STRENGTHS = (0.3, 3.0, 30.0, 300.0)
OFFSET_WEIGHTS = (1.0, 0.0)
LOG_TEMPERATURE_SPREAD = 0.2
ITERATIONS = 60
FEW = 6

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is chosen on folds.

    Attributes
    ----------
    strength : float
        Prior variance of the logits; 0 learns nothing, so that the offset alone predicts.
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
    *,
    prior: Floats | None,
    plan: Plan,
    known: NDArray[np.bool_],
    exclusive: bool,
    start: tuple[Floats, Floats] | None = None,
) -> tuple[Floats, Floats]:
    """Weights, shape (d, k), and bias, shape (k,), that fit `targets` best.

    Parameters
    ----------
    features : ndarray, shape (n, d)
        Standardised, of unit mean square length.
    targets : ndarray, shape (n, k)
        Soft labels, 0 to 1.
    prior : ndarray, shape (n, k), optional
        Logits to which the weighted features are added.
    known : ndarray of bool, shape (k,)
        The columns to learn; the others keep weights and bias of 0.
    start : (weights, bias), optional
        Where to begin.
    """
    n, d = features.shape
    k = targets.shape[1]
    offset = np.zeros((n, k), np.float32) if prior is None else np.float32(plan.offset_weight) * prior
    weights, bias = np.zeros((d, k), np.float32), np.zeros(k, np.float32)
    if plan.strength == 0 or not known.any():
        return weights, bias
    # Columns that are not learned still compete for the probability if the offset speaks for them, and not otherwise.
    active = known if not exclusive or prior is None or plan.offset_weight == 0 else np.ones(k, bool)
    learned = known[active]
    target, offset = targets[:, active], offset[:, active]
    positive, negative = _class_weights(target, exclusive=exclusive)
    pull, mass = target * positive, target * positive + (0 if exclusive else (1 - target) * negative)
    if exclusive:
        mass = mass.sum(axis=1, keepdims=True)
    ridge = 1 / (n * plan.strength)
    columns = int(active.sum())

    def objective(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        w = flat[: d * columns].reshape(d, columns).astype(np.float32)
        b = flat[d * columns :].astype(np.float32)
        logits = features @ w + b + offset
        if exclusive:
            logs = log_softmax(logits, axis=1)
            loss, residual = -(pull * logs).sum(), mass * np.exp(logs) - pull
        else:
            loss = -(pull * log_expit(logits) + (mass - pull) * log_expit(-logits)).sum()
            residual = mass * expit(logits) - pull
        residual = residual * learned
        value = float(loss) / n + 0.5 * ridge * float((w**2).sum()) + 0.5 * ridge * float((b**2).sum())
        slope_w, slope_b = features.T @ residual / n + ridge * w, residual.sum(axis=0) / n + ridge * b
        return value, np.concatenate([slope_w.ravel(), slope_b]).astype(np.float64)

    first = np.zeros((d + 1) * columns) if start is None else np.vstack([start[0], start[1]])[:, active].ravel()
    found = minimize(
        objective, first.astype(np.float64), jac=True, method="L-BFGS-B", options={"maxiter": ITERATIONS, "gtol": 1e-4}
    ).x
    weights[:, active] = found[: d * columns].reshape(d, columns)
    # King & Zeng (2001): weighting the classes shifts the logits by the weights' logarithm, which is taken back here.
    shift = np.log(positive / negative)
    bias[active] = np.where(learned, found[d * columns :] - shift, 0)
    return weights, bias


def _class_weights(targets: Floats, *, exclusive: bool) -> tuple[Floats, Floats]:
    """Weights of the yes and of the no of each column: the inverse square root of their frequency, with a mean of 1."""
    share = targets.mean(axis=0).clip(1e-3, 1 if exclusive else 1 - 1e-3)
    yes = 1 / np.sqrt(share)
    if exclusive:
        yes = yes / (yes * share).sum()
        return yes.astype(np.float32), np.ones_like(yes, dtype=np.float32)
    no = 1 / np.sqrt(1 - share)
    mean = yes * share + no * (1 - share)
    return (yes / mean).astype(np.float32), (no / mean).astype(np.float32)


def logits_of(
    features: Floats, prior: Floats | None, *, weights: Floats, bias: Floats, plan: Plan, known: NDArray[np.bool_]
) -> Floats:
    """Logits, shape (n, k): NaN in the columns of which neither labels nor an offset tell anything."""
    logits = features @ weights + bias
    if prior is not None and plan.offset_weight > 0:
        logits = logits + np.float32(plan.offset_weight) * prior
    else:
        logits[:, ~known] = np.nan
    return cast(Floats, logits / np.float32(plan.temperature))


def probabilities_of(logits: Floats, *, exclusive: bool) -> Floats:
    """Probabilities, shape (n, k), none of them 0 or 1; where the logit is NaN, a small one."""
    unheard = np.isnan(logits)
    count = unheard.sum(axis=1, keepdims=True)
    floor = np.minimum(ABSENT_PROBABILITY, ABSENT_TOTAL / np.maximum(count, 1))
    if not exclusive:
        clipped = np.where(unheard, floor, expit(logits)).clip(LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
        return cast(Floats, clipped.astype(np.float32))
    finite = np.where(unheard, np.float32(-1e9), logits)  # not -inf: a row of which nothing is known must stay finite
    mixed = np.where(unheard, floor, softmax(finite, axis=1) * (1 - floor * count)).clip(LEAST_PROBABILITY, None)
    return cast(Floats, (mixed / mixed.sum(axis=1, keepdims=True)).astype(np.float32))


def _losses(probabilities: Floats, targets: Floats, *, exclusive: bool) -> Floats:
    """Log loss of each galaxy, shape (n,)."""
    found = targets * np.log(probabilities)
    if not exclusive:
        found = found + (1 - targets) * np.log(1 - probabilities)
        return cast(Floats, -found.mean(axis=1))
    return cast(Floats, -found.sum(axis=1))


def choose_plan(features: Floats, targets: Floats, *, prior: Floats | None, exclusive: bool, seed: int) -> Plan:
    """The simplest plan whose log loss on held-out galaxies is as good as the best one's.

    "As good" is within the standard error of the difference, which counts for more where few galaxies estimated it.
    Simplest is the offset alone, then the offset with ever freer weights, then none of it.
    """
    folds = _folds(targets, exclusive=exclusive, seed=seed)
    shares = (0.0,) if prior is None else OFFSET_WEIGHTS
    # Prior variances beyond the number of labels are not tried: a class's only example, held out, cannot speak against them.
    plans = [Plan(strength, share) for share in shares for strength in STRENGTHS if strength <= len(targets)]
    held_out = _held_out_logits(features, targets, prior, plans, folds, exclusive=exclusive)
    if prior is not None:
        alone = Plan(strength=0, offset_weight=1)
        plans, held_out[alone] = [alone, *plans], prior
    losses = [_losses(probabilities_of(held_out[p], exclusive=exclusive), targets, exclusive=exclusive) for p in plans]
    best = min(losses, key=lambda loss: float(loss.mean()))
    caution = (1 + FEW / len(targets)) / np.sqrt(len(targets))
    for plan, loss in zip(plans, losses, strict=True):
        behind = loss - best
        if behind.mean() <= caution * behind.std(ddof=1):
            return replace(plan, temperature=_temperature(held_out[plan], targets, exclusive=exclusive))
    raise AssertionError("the best plan is as good as itself")


def _folds(targets: Floats, *, exclusive: bool, seed: int) -> NDArray[np.intp]:
    """The fold of each galaxy, shape (n,), with alike targets spread evenly."""
    n = len(targets)
    count = 5 if n >= 50 else min(n, 10)
    key = targets.argmax(axis=1) if exclusive else np.unique(targets.round(), axis=0, return_inverse=True)[1].ravel()
    order = np.random.default_rng(seed).permutation(n)
    order = order[np.argsort(key[order], kind="stable")]
    folds = np.empty(n, dtype=np.intp)
    folds[order] = np.arange(n) % count
    return folds


def _held_out_logits(
    features: Floats, targets: Floats, prior: Floats | None, plans: list[Plan], folds: NDArray[np.intp], *, exclusive: bool
) -> dict[Plan, Floats]:
    held_out = {plan: np.full(targets.shape, np.nan, np.float32) for plan in plans}
    for fold in range(int(folds.max()) + 1):
        test = folds == fold
        train_x, train_y = features[~test], targets[~test]
        train_prior, test_prior = (None, None) if prior is None else (prior[~test], prior[test])
        known = told_apart(train_y, exclusive=exclusive)
        start = None
        for plan in plans:
            weights, bias = start = solve(
                train_x, train_y, prior=train_prior, plan=plan, known=known, exclusive=exclusive, start=start
            )
            held_out[plan][test] = logits_of(features[test], test_prior, weights=weights, bias=bias, plan=plan, known=known)
    return held_out


def told_apart(targets: Floats, *, exclusive: bool) -> NDArray[np.bool_]:
    """Columns that can be learned: with an example, and for a yes-or-no question with a counter-example too."""
    seen: NDArray[np.bool_] = targets.max(axis=0) > 0
    return seen if exclusive else seen & (targets.min(axis=0) < 1)


def _temperature(logits: Floats, targets: Floats, *, exclusive: bool) -> float:
    """The temperature that calibrates held-out logits, drawn to 1 where there are few (Guo et al. 2017)."""

    def cost(log_temperature: float) -> float:
        scaled = probabilities_of(logits / np.float32(np.exp(log_temperature)), exclusive=exclusive)
        prior = (log_temperature / LOG_TEMPERATURE_SPREAD) ** 2 / 2
        return float(_losses(scaled, targets, exclusive=exclusive).sum()) + prior

    return float(np.exp(minimize_scalar(cost, bounds=(-1.5, 1.5), method="bounded").x))

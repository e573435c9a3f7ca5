"""Regularised logistic regression with an offset: the arithmetic under the morphology head; its strength is chosen on folds.

Own code rather than scikit-learn's, which takes neither soft labels nor an offset.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit, softmax

__all__ = ["Plan", "choose_plan", "logits_of", "probabilities_of", "solve", "told_apart"]

ABSENT_PROBABILITY = 0.01
ABSENT_TOTAL = 0.2
LEAST_PROBABILITY = 1e-4
STRENGTHS = (0.3, 3.0, 30.0, 300.0)
OFFSET_WEIGHTS = (1.0, 0.0)
LOG_TEMPERATURE_SPREAD = 0.2
CURVATURE = 0.1
"""Of the log loss in a logit: at most 1/4, at one half; less where the labels are told apart."""
PRECISION = {"maxiter": 60, "gtol": 3e-4, "ftol": 1e-5}
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
    importance: Floats,
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
        Standardised, of unit mean square length; solved fastest along their principal axes, where the curvature of the loss is
        close to a diagonal one that is known beforehand (Böhning 1992, Ann. Inst. Stat. Math. 44, 197) and divided out.
    targets : ndarray, shape (n, k)
        Soft labels, 0 to 1.
    importance : ndarray, shape (n,)
        How much each galaxy counts, 1 on average.
    prior : ndarray, shape (n, k), optional
        Logits to which the weighted features are added.
    known : ndarray of bool, shape (k,)
        The columns to learn; the others have weights of 0, and a bias only where they are questions that no prior speaks for.
    start : (weights, bias), optional
        Where to begin.
    """
    n, d = features.shape
    k = targets.shape[1]
    offset = np.zeros((n, k), np.float32) if prior is None else np.float32(plan.offset_weight) * prior
    weights, bias = np.zeros((d, k), np.float32), np.zeros(k, np.float32)
    if not exclusive and (prior is None or plan.offset_weight == 0):
        # A question that all answer alike: as likely as the rule of succession has it, yes as well as no.
        yes = (importance @ targets + 1) / (importance.sum() + 2)
        bias[~known] = np.log(yes / (1 - yes))[~known]
    if plan.strength == 0 or not known.any():
        return weights, bias
    # Columns that are not learned still compete for the probability if the offset speaks for them, and not otherwise.
    active = known if not exclusive or prior is None or plan.offset_weight == 0 else np.ones(k, bool)
    learned = known[active]
    target, offset = targets[:, active], offset[:, active]
    positive, negative = class_weights(target, importance, exclusive=exclusive)
    pull = target * positive * importance[:, None]
    mass = pull.sum(axis=1, keepdims=True) if exclusive else pull + (1 - target) * negative * importance[:, None]
    ridge = np.float32(1 / (n * plan.strength))
    # One more feature, always 1, for the bias.
    design = np.concatenate([features, np.ones((n, 1), np.float32)], axis=1)
    step = 1 / np.sqrt(CURVATURE * np.square(design).mean(axis=0) + ridge)[:, None]
    columns = int(active.sum())

    def objective(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        w = step * flat.reshape(d + 1, columns).astype(np.float32)
        logits = design @ w + offset
        if exclusive:
            shifted = logits - logits.max(axis=1, keepdims=True)
            raised = np.exp(shifted)
            total = raised.sum(axis=1, keepdims=True)
            loss, residual = float((mass * np.log(total)).sum() - np.vdot(pull, shifted)), mass * (raised / total) - pull
        else:
            # log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|)), and the same exponential serves the probability.
            small = np.exp(-np.abs(logits))
            loss = float(np.vdot(mass, np.maximum(logits, 0) + np.log1p(small)) - np.vdot(pull, logits))
            residual = mass * (np.where(logits >= 0, 1, small) / (1 + small)) - pull
        value = loss / n + 0.5 * float(ridge) * float(np.vdot(w, w))
        slope = step * (design.T @ (residual * learned) / np.float32(n) + ridge * w)
        return value, slope.ravel().astype(np.float64)

    # King & Zeng (2001): weighting the classes shifts the logits by the weights' logarithm, which is taken back at the end.
    shift = np.log(positive / negative)
    first = np.zeros((d + 1, columns), np.float32)
    if start is not None:
        first = np.vstack([start[0][:, active], np.where(learned, start[1][active] + shift, 0)]) / step
    found = minimize(objective, first.ravel().astype(np.float64), jac=True, method="L-BFGS-B", options=PRECISION).x
    solution = step * found.reshape(d + 1, columns).astype(np.float32)
    weights[:, active] = solution[:d] * learned
    bias[active] = np.where(learned, solution[d] - shift, 0)
    return weights, bias


def class_weights(targets: Floats, importance: Floats, *, exclusive: bool) -> tuple[Floats, Floats]:
    """Weights of the yes and of the no of each column: the inverse square root of their frequency, with a mean of 1."""
    share = (importance @ targets / importance.sum()).clip(1e-3, 1 if exclusive else 1 - 1e-3)
    yes = 1 / np.sqrt(share)
    if exclusive:
        yes = yes / (yes * share).sum()
        return yes.astype(np.float32), np.ones_like(yes, dtype=np.float32)
    no = 1 / np.sqrt(1 - share)
    mean = yes * share + no * (1 - share)
    return (yes / mean).astype(np.float32), (no / mean).astype(np.float32)


def logits_of(
    features: Floats,
    prior: Floats | None,
    *,
    weights: Floats,
    bias: Floats,
    plan: Plan,
    known: NDArray[np.bool_],
    exclusive: bool,
) -> Floats:
    """Logits, shape (n, k): NaN for exclusive classes of which neither labels nor an offset tell anything."""
    logits = features @ weights + bias
    if prior is not None and plan.offset_weight > 0:
        logits = logits + np.float32(plan.offset_weight) * prior
    elif exclusive:
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


def _losses(logits: Floats, targets: Floats, importance: Floats, *, exclusive: bool) -> Floats:
    """Log loss of each galaxy times its importance, shape (n,)."""
    probabilities = probabilities_of(logits, exclusive=exclusive)
    found = targets * np.log(probabilities)
    if not exclusive:
        found = found + (1 - targets) * np.log(1 - probabilities)
        return cast(Floats, -importance * found.mean(axis=1))
    return cast(Floats, -importance * found.sum(axis=1))


def choose_plan(
    features: Floats,
    targets: Floats,
    importance: Floats,
    *,
    prior: Floats | None,
    exclusive: bool,
    caution: float = 1.0,
    seed: int,
) -> Plan:
    """The simplest plan whose log loss on held-out galaxies is as good as the best one's.

    "As good" is within `caution` times the standard error of the difference, which counts for more where few galaxies
    estimated it. Simplest is the offset alone, then the offset with ever freer weights, then none of it.
    """
    folds = _folds(targets, exclusive=exclusive, seed=seed)
    caution = caution * (1 + FEW / len(targets)) / np.sqrt(len(targets))
    tried: list[tuple[Plan, Floats, Floats]] = []  # plan, held-out logits, losses; the simplest first
    if prior is not None:
        tried.append((Plan(strength=0, offset_weight=1), prior, _losses(prior, targets, importance, exclusive=exclusive)))
    for share in (0.0,) if prior is None else OFFSET_WEIGHTS:
        starts: dict[int, tuple[Floats, Floats]] = {}
        best: Floats | None = None
        # No prior variance beyond the number of labels: a class's only example, held out, cannot speak against it.
        for plan in (Plan(strength, share) for strength in STRENGTHS if strength <= len(targets)):
            logits = _held_out_logits(features, targets, importance, prior, plan, folds, starts, exclusive=exclusive)
            losses = _losses(logits, targets, importance, exclusive=exclusive)
            tried.append((plan, logits, losses))
            if best is not None and _clearly_worse(losses, best, caution):
                break  # freer weights, which take longest, would be worse still
            best = losses if best is None or losses.mean() < best.mean() else best
    least = min((losses for _, _, losses in tried), key=lambda losses: float(losses.mean()))
    plan, logits = next((plan, logits) for plan, logits, losses in tried if not _clearly_worse(losses, least, caution))
    return replace(plan, temperature=_temperature(logits, targets, importance, exclusive=exclusive))


def _clearly_worse(losses: Floats, best: Floats, caution: float) -> bool:
    behind = losses - best
    return float(behind.mean()) > caution * float(behind.std(ddof=1))


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
    features: Floats,
    targets: Floats,
    importance: Floats,
    prior: Floats | None,
    plan: Plan,
    folds: NDArray[np.intp],
    starts: dict[int, tuple[Floats, Floats]],
    *,
    exclusive: bool,
) -> Floats:
    """Logits of each galaxy, shape (n, k), by a fit to the other folds, which begins at `starts` and leaves its end there."""
    held_out = np.full(targets.shape, np.nan, np.float32)
    for fold in range(int(folds.max()) + 1):
        test, train = folds == fold, folds != fold
        y = targets[train]
        train_prior, test_prior = (None, None) if prior is None else (prior[train], prior[test])
        known = told_apart(y, exclusive=exclusive)
        weights, bias = starts[fold] = solve(
            features[train], y, importance[train], prior=train_prior, plan=plan, known=known, exclusive=exclusive,
            start=starts.get(fold),
        )  # fmt: skip
        held_out[test] = logits_of(
            features[test], test_prior, weights=weights, bias=bias, plan=plan, known=known, exclusive=exclusive
        )
    return held_out


def told_apart(targets: Floats, *, exclusive: bool) -> NDArray[np.bool_]:
    """Columns that can be learned: with an example, and for a yes-or-no question with a counter-example too."""
    seen: NDArray[np.bool_] = targets.max(axis=0) > 0
    return seen if exclusive else seen & (targets.min(axis=0) < 1)


def _temperature(logits: Floats, targets: Floats, importance: Floats, *, exclusive: bool) -> float:
    """The temperature that calibrates held-out logits, drawn to 1 where there are few (Guo et al. 2017)."""

    def cost(log_temperature: float) -> float:
        scaled = logits / np.float32(np.exp(log_temperature))
        prior = (log_temperature / LOG_TEMPERATURE_SPREAD) ** 2 / 2
        return float(_losses(scaled, targets, importance, exclusive=exclusive).sum()) + prior

    return float(np.exp(minimize_scalar(cost, bounds=(-1.5, 1.5), method="bounded").x))

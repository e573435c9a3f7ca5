"""Link functions from logits to probabilities, for exclusive and for independent classes.

A head uses one of the two link functions of this module; `logistic`, `plan_choice` and `uncertainty` call its methods, which
the protocol `Link` describes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, expit, softmax

from backend.heads.classification.link import Flags, Floats, Link

__all__ = ["LEAST_PROBABILITY", "Independent", "Multinomial", "link_of"]

LEAST_PROBABILITY = 1e-4
UNKNOWN_PROBABILITY, UNKNOWN_TOTAL = 0.01, 0.2
"""Probability of a class without labels and without an offset, and largest total probability of all such classes."""
LEAST_SHARE = 1e-3


@dataclass(frozen=True, slots=True)
class Multinomial:
    """Each galaxy has one of k classes: softmax, and cross-entropy as the loss."""

    @property
    def least_learnable(self) -> int:
        return 2

    def learnable(self, targets: NDArray[np.floating]) -> Flags:
        return cast(Flags, targets.max(axis=0) > 0)

    def normalise(self, targets: Floats) -> Floats:
        totals = targets.sum(axis=1, keepdims=True)
        if totals.min() <= 0:
            raise ValueError(f"target {int(totals.argmin())} gives no class any weight, but each image has one class")
        return cast(Floats, targets / totals)

    def groups(self, targets: Floats) -> NDArray[np.intp]:
        return cast(NDArray[np.intp], targets.argmax(axis=1))

    def active(self, learnable: Flags, *, has_offset: bool) -> Flags:
        # With an offset, classes without labels still compete for the probability.
        return np.ones_like(learnable) if has_offset else learnable

    def without_offset(self, logits: Floats, learnable: Flags) -> Floats:
        return np.where(learnable, logits, np.float32(np.nan))

    def base_logits(self, targets: Floats, importance: Floats) -> Floats:
        return np.zeros(targets.shape[1], np.float32)

    def weights(self, targets: Floats, importance: Floats) -> tuple[Floats, Floats]:
        share = (importance @ targets / importance.sum()).clip(LEAST_SHARE, 1)
        positive = 1 / np.sqrt(share)
        positive = positive / (positive * share).sum()
        return positive.astype(np.float32), np.ones_like(positive, dtype=np.float32)

    def mass(self, targets: Floats, importance: Floats, weights: tuple[Floats, Floats]) -> Floats:
        return cast(Floats, (targets * weights[0] * importance[:, None]).sum(axis=1, keepdims=True))

    def loss(self, logits: Floats, *, pull: Floats, mass: Floats) -> tuple[float, Floats]:
        exponents = logits - logits.max(axis=1, keepdims=True)
        powers = np.exp(exponents)
        total = powers.sum(axis=1, keepdims=True)
        return float((mass * np.log(total)).sum() - np.vdot(pull, exponents)), mass * (powers / total) - pull

    def probabilities(self, logits: Floats) -> Floats:
        unknown = np.isnan(logits)
        floor, count = _unknown_floor(unknown)
        finite = np.where(unknown, np.float32(-1e9), logits)  # not -inf, since a row without known classes must stay finite
        probabilities = np.where(unknown, floor, softmax(finite, axis=1) * (1 - floor * count)).clip(LEAST_PROBABILITY, None)
        return cast(Floats, (probabilities / probabilities.sum(axis=1, keepdims=True)).astype(np.float32))

    def log_loss(self, probabilities: Floats, targets: Floats) -> Floats:
        return cast(Floats, -(targets * np.log(probabilities)).sum(axis=1))

    def curvature(self, probabilities: NDArray[np.floating], mass: Floats) -> NDArray[np.floating]:
        weighted_mass = mass * probabilities
        return cast(
            NDArray[np.floating], np.diag(weighted_mass.mean(axis=0)) - weighted_mass.T @ probabilities / len(probabilities)
        )

    def entropy(self, probabilities: Floats) -> Floats:
        return cast(Floats, _nats(probabilities).sum(axis=1))

    def margin(self, probabilities: NDArray[np.floating]) -> Floats:
        top = np.sort(probabilities, axis=1)
        return cast(Floats, (top[:, -1] - (top[:, -2] if top.shape[1] > 1 else 0)).astype(np.float32))

    def rates(self, label_sums: Floats, total: float, unknown: Flags) -> Floats:
        elsewhere = max(float(total - label_sums[unknown].sum()), 0) + 1  # labels of all classes that the other head predicts
        return cast(Floats, np.log((label_sums / elsewhere).clip(LEAST_PROBABILITY, None)).astype(np.float32))

    def to_logits(self, logs: NDArray[np.floating]) -> NDArray[np.floating]:
        return logs

    def missing_logit(self, unknown: Flags) -> NDArray[np.floating] | float:
        return cast(NDArray[np.floating], -np.log((~unknown).sum(axis=1, keepdims=True).clip(1, None)))

    def even_share(self, answers: int) -> float:
        return 1 / answers

    def renormalise(self, answers: NDArray[np.floating]) -> NDArray[np.floating]:
        return cast(NDArray[np.floating], answers / answers.sum(axis=1, keepdims=True))

    def asked_share(self, answers: NDArray[np.floating], parent: NDArray[np.floating]) -> NDArray[np.floating]:
        return cast(NDArray[np.floating], answers.sum(axis=1))

    def vote_entropy(self, frequencies: NDArray[np.floating], count: float) -> Floats:
        return cast(Floats, _dirichlet_nats(frequencies, count + frequencies.shape[1]).sum(axis=1).astype(np.float32))


@dataclass(frozen=True, slots=True)
class Independent:
    """Each galaxy has any number of k classes: k binary questions, each with a sigmoid and binary cross-entropy."""

    @property
    def least_learnable(self) -> int:
        return 1

    def learnable(self, targets: NDArray[np.floating]) -> Flags:
        return cast(Flags, (targets.max(axis=0) > 0) & (targets.min(axis=0) < 1))

    def normalise(self, targets: Floats) -> Floats:
        return targets

    def groups(self, targets: Floats) -> NDArray[np.intp]:
        return np.unique(targets.round(), axis=0, return_inverse=True)[1].ravel()

    def active(self, learnable: Flags, *, has_offset: bool) -> Flags:
        return learnable

    def without_offset(self, logits: Floats, learnable: Flags) -> Floats:
        return logits

    def base_logits(self, targets: Floats, importance: Floats) -> Floats:
        rate = (importance @ targets + 1) / (importance.sum() + 2)  # rule of succession
        return cast(Floats, np.log(rate / (1 - rate)).astype(np.float32))

    def weights(self, targets: Floats, importance: Floats) -> tuple[Floats, Floats]:
        share = (importance @ targets / importance.sum()).clip(LEAST_SHARE, 1 - LEAST_SHARE)
        positive, negative = 1 / np.sqrt(share), 1 / np.sqrt(1 - share)
        mean = positive * share + negative * (1 - share)
        return (positive / mean).astype(np.float32), (negative / mean).astype(np.float32)

    def mass(self, targets: Floats, importance: Floats, weights: tuple[Floats, Floats]) -> Floats:
        positive, negative = weights
        return cast(Floats, targets * positive * importance[:, None] + (1 - targets) * negative * importance[:, None])

    def loss(self, logits: Floats, *, pull: Floats, mass: Floats) -> tuple[float, Floats]:
        # log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|)), and the same exponential serves the probability.
        small = np.exp(-np.abs(logits))
        loss = float(np.vdot(mass, np.maximum(logits, 0) + np.log1p(small)) - np.vdot(pull, logits))
        return loss, mass * (np.where(logits >= 0, 1, small) / (1 + small)) - pull

    def probabilities(self, logits: Floats) -> Floats:
        unknown = np.isnan(logits)
        probabilities = np.where(unknown, _unknown_floor(unknown)[0], expit(logits)).clip(
            LEAST_PROBABILITY, 1 - LEAST_PROBABILITY
        )
        return cast(Floats, probabilities.astype(np.float32))

    def log_loss(self, probabilities: Floats, targets: Floats) -> Floats:
        losses = targets * np.log(probabilities) + (1 - targets) * np.log(1 - probabilities)
        return cast(Floats, -losses.mean(axis=1))

    def curvature(self, probabilities: NDArray[np.floating], mass: Floats) -> NDArray[np.floating]:
        return cast(NDArray[np.floating], np.diag((mass * probabilities * (1 - probabilities)).mean(axis=0)))

    def entropy(self, probabilities: Floats) -> Floats:
        return cast(Floats, (_nats(probabilities) + _nats(1 - probabilities)).sum(axis=1))

    def margin(self, probabilities: NDArray[np.floating]) -> Floats:
        return cast(Floats, np.abs(2 * probabilities - 1).mean(axis=1).astype(np.float32))

    def rates(self, label_sums: Floats, total: float, unknown: Flags) -> Floats:
        return cast(Floats, np.log((label_sums + 1) / (total - label_sums + 1)).astype(np.float32))

    def to_logits(self, logs: NDArray[np.floating]) -> NDArray[np.floating]:
        odds = logs - np.log1p(-np.exp(np.minimum(logs, np.log(1 - LEAST_PROBABILITY))))
        return cast(NDArray[np.floating], odds)

    def missing_logit(self, unknown: Flags) -> NDArray[np.floating] | float:
        return float(np.log(1e-3 / (1 - 1e-3)))

    def even_share(self, answers: int) -> float:
        return 0.5

    def renormalise(self, answers: NDArray[np.floating]) -> NDArray[np.floating]:
        return answers

    def asked_share(self, answers: NDArray[np.floating], parent: NDArray[np.floating]) -> NDArray[np.floating]:
        return parent

    def vote_entropy(self, frequencies: NDArray[np.floating], count: float) -> Floats:
        nats = _dirichlet_nats(frequencies, count + 2) + _dirichlet_nats(1 - frequencies, count + 2)
        return cast(Floats, nats.sum(axis=1).astype(np.float32))


def link_of(*, exclusive: bool) -> Link:
    """Return the link of exclusive (one class a galaxy) or independent classes."""
    return Multinomial() if exclusive else Independent()


def _unknown_floor(unknown: Flags) -> tuple[NDArray[np.floating], NDArray[np.intp]]:
    """Return the probability of each unknown class and the number of unknown classes, shape (n, 1) each."""
    count = unknown.sum(axis=1, keepdims=True)
    return np.minimum(UNKNOWN_PROBABILITY, UNKNOWN_TOTAL / np.maximum(count, 1)), count


def _nats(probabilities: NDArray[np.floating]) -> NDArray[np.floating]:
    return cast(NDArray[np.floating], -probabilities * np.log(probabilities.clip(1e-12, None)))


def _dirichlet_nats(frequencies: NDArray[np.floating], total: float) -> NDArray[np.floating]:
    """Return the terms of the mean entropy of a Dirichlet distribution with the concentration `total`."""
    return cast(NDArray[np.floating], frequencies * (digamma(total + 1) - digamma(frequencies * total + 1)))

"""Morphology: a calibrated classifier of galaxies on frozen embeddings.

Logistic regression, because with ten to some thousand labels on good embeddings nothing beats it by much and nothing is
faster. What it learns is added to an *offset*, the log-probabilities that another head (the shipped base head) has for the same
galaxies; whether the offset is kept, and how strongly the weights are held back, is chosen on folds, so that a few labels
cannot make it worse than the base head.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Self, cast

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from backend.heads import storage
from backend.heads.classification.logistic import (
    LEAST_PROBABILITY,
    Plan,
    choose_plan,
    logits_of,
    probabilities_of,
    solve,
    told_apart,
)
from backend.heads.classification.uncertainty import Posterior, Uncertainty, split
from backend.heads.errors import NotEnoughLabels

__all__ = ["MINIMUM_LABELS", "Morphology", "margin"]

NAME = "morphology"
MINIMUM_LABELS = 6
LEAST_VARIANCE = 1e-6

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Morphology:
    """A fitted classifier of k classes on embeddings of d numbers.

    Attributes
    ----------
    classes : tuple of str
        In the order of the columns of targets and probabilities.
    exclusive : bool
        Whether each galaxy has one class (multinomial), or any number of them (k independent yes-or-no questions).
    mean, scale : ndarray, shape (d,)
        Of the embeddings, which are standardised.
    weights : ndarray, shape (d, k)
    bias : ndarray, shape (k,)
    known : ndarray of bool, shape (k,)
        Classes with examples, and of yes-or-no questions those with counter-examples. Unless the offset knows better, other
        exclusive classes have a probability of about 0.01, and other questions that of the rule of succession.
    rates : ndarray, shape (k,)
        Logits that stand in the offset for the classes that the other head does not know: how often they were labelled. NaN in
        a head that was stored before there were any.
    plan : Plan
        What was chosen on folds: strength, share of the offset (0 if it was fitted without one), and temperature.
    posterior : Posterior
        How far weights and bias are known.
    """

    classes: tuple[str, ...]
    exclusive: bool
    mean: Floats
    scale: Floats
    weights: Floats
    bias: Floats
    known: NDArray[np.bool_]
    rates: Floats
    plan: Plan
    posterior: Posterior

    @classmethod
    def fit(
        cls,
        embeddings: NDArray[np.floating],
        targets: NDArray[np.floating],
        *,
        classes: Sequence[str],
        exclusive: bool,
        offset: NDArray[np.floating] | None = None,
        importance: NDArray[np.floating] | None = None,
        caution: float = 1.0,
        seed: int = 0,
    ) -> Self:
        """Learn from labelled galaxies.

        Classes are weighted by the inverse square root of their frequency while the weights are fitted, so that the rare
        ones are not drowned, and the bias is corrected for that afterwards (King & Zeng 2001), so that probabilities stay
        frequencies.

        Parameters
        ----------
        embeddings : ndarray, shape (n, d)
        targets : ndarray, shape (n, k)
            Soft labels, 0 to 1: of several annotators, the share that chose the class. Rows of an exclusive head are
            normalised.
        classes : sequence of str, length k
        exclusive : bool
            One class a galaxy, or any number.
        offset : ndarray, shape (n, k), optional
            Log-probabilities of another head for these galaxies, at most 0, NaN for a class that it does not know; then
            `predict` needs them too.
        importance : ndarray, shape (n,), optional
            How much each galaxy counts against the others, above 0: of a question in a tree, the share of its annotators that
            reached it. All count the same without it.
        caution : float
            By how many standard errors, more where galaxies are few, weights must be better on held-out galaxies than the
            offset alone, or freer weights than those held back more.
        seed : int
            Of the folds.

        Raises
        ------
        NotEnoughLabels
            With fewer than `MINIMUM_LABELS` galaxies, or with nothing to tell apart.
        ValueError
            If shapes do not fit or a number is not finite.
        """
        features, targets = _finite(embeddings, (-1, -1), "embeddings"), _finite(targets, (-1, len(classes)), "targets")
        targets = _checked_targets(targets, len(features), classes, exclusive=exclusive)
        mean, scale = features.mean(axis=0), features.std(axis=0)
        # Divided by sqrt(d) as well: a strength of regularisation then means the same for every length of embedding.
        scale = np.where(scale > 1e-6, scale, 1).astype(np.float32) * np.float32(np.sqrt(features.shape[1]))
        standard = (features - mean) / scale
        known = told_apart(targets, exclusive=exclusive)
        counts = np.ones(len(features), np.float32) if importance is None else _shares(importance, len(features))
        rates = _rates(targets, counts, unknown=_unknown(offset, targets.shape), exclusive=exclusive)
        prior = None if offset is None else _prior_logits(offset, targets.shape, rates=rates, exclusive=exclusive)
        # One thread: on two busy cores the many small products took fifty times as long with two.
        with threadpool_limits(limits=1, user_api="blas"):
            short, turn = _principal(standard)
            plan = choose_plan(short, targets, counts, prior=prior, exclusive=exclusive, caution=caution, seed=seed)
            weights, bias = solve(short, targets, counts, prior=prior, plan=plan, known=known, exclusive=exclusive)
            raw = replace(plan, temperature=1.0)
            logits = logits_of(short, prior, weights=weights, bias=bias, plan=raw, known=known, exclusive=exclusive)
            posterior = Posterior.of(
                short, turn, targets, counts, logits=logits, known=known, exclusive=exclusive
            )  # fmt: skip
        return cls(tuple(classes), exclusive, mean, scale, turn @ weights, bias, known, rates, plan, posterior)

    def predict(self, embeddings: NDArray[np.floating], *, offset: NDArray[np.floating] | None = None) -> Floats:
        """Probabilities of the classes, shape (n, k), for embeddings of shape (n, d).

        They add up to 1 for an exclusive head. `offset`, shape (n, k), is of the kind that the head was fitted with.

        Raises
        ------
        ValueError
            If shapes do not fit, a number is not finite, or the head was fitted with an offset and gets none.
        """
        _, logits = self._logits(embeddings, offset)
        return probabilities_of(logits, exclusive=self.exclusive)

    def uncertainty(self, embeddings: NDArray[np.floating], *, offset: NDArray[np.floating] | None = None) -> Uncertainty:
        """What more labels would cure and what they would not, shape (n,) each, in nats; takes and raises what `predict` does.

        Of the questions of a head that is not exclusive it is the sum.
        """
        standard, logits = self._logits(embeddings, offset)
        deviations = self.posterior.deviations(standard) / np.float32(self.plan.temperature)
        return split(self.posterior.draw(logits, deviations, exclusive=self.exclusive), exclusive=self.exclusive)

    def _logits(self, embeddings: NDArray[np.floating], offset: NDArray[np.floating] | None) -> tuple[Floats, Floats]:
        """Standardised features, shape (n, d), and calibrated logits, shape (n, k)."""
        features = _finite(embeddings, (-1, len(self.mean)), "embeddings")
        if offset is None and self.plan.offset_weight > 0:
            raise ValueError("this head was fitted on top of another head's probabilities and needs them as `offset`")
        shape = (len(features), len(self.classes))
        prior = None if offset is None else _prior_logits(offset, shape, rates=self.rates, exclusive=self.exclusive)
        standard = cast(Floats, (features - self.mean) / self.scale)
        logits = logits_of(
            standard, prior, weights=self.weights, bias=self.bias, plan=self.plan, known=self.known, exclusive=self.exclusive
        )
        return standard, logits

    def confidence(self, probabilities: NDArray[np.floating]) -> Floats:
        """How clearly the head decides on each galaxy, shape (n,), 0 to 1; what a label would teach it says `uncertainty`.

        The margin between the two likeliest classes of an exclusive head, which stays meaningful with many classes where the
        entropy is ruled by the unlikely ones (Joshi, Porikli & Papanikolopoulos 2009, CVPR); else the mean over the classes
        of the margin between yes and no.
        """
        return margin(probabilities, exclusive=self.exclusive)

    def save(self, folder: Path) -> None:
        """Write JSON and safetensors into `folder`."""
        posterior = self.posterior
        fields = {
            "classes": list(self.classes),
            "exclusive": self.exclusive,
            "plan": asdict(self.plan),
            "count": posterior.count,
        }
        arrays = {"mean": self.mean, "scale": self.scale, "weights": self.weights, "bias": self.bias, "known": self.known}
        arrays |= {"turn": posterior.turn, "information": posterior.information}
        arrays |= {} if np.isnan(self.rates).any() else {"rates": self.rates}
        arrays |= {"axes": posterior.axes, "curvature": posterior.curvature}
        storage.write(folder, head=NAME, fields=fields, arrays=arrays)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; anything else is a `HeadError`."""
        stored = storage.read(folder, head=NAME)
        classes = stored.names("classes")
        mean = stored.array("mean", -1)
        d, k = len(mean), len(classes)
        plan = stored.build("plan", lambda fields: Plan(**{name: float(value) for name, value in fields.items()}))
        information = stored.array("information", -1)
        posterior = Posterior(
            turn=stored.array("turn", d, len(information)),
            information=information,
            axes=stored.array("axes", k, k),
            curvature=stored.array("curvature", k),
            count=float(stored.field("count", float)),
        )
        return cls(
            classes=classes,
            exclusive=stored.field("exclusive", bool),
            mean=mean,
            scale=stored.array("scale", d),
            weights=stored.array("weights", d, k),
            bias=stored.array("bias", k),
            known=stored.array("known", k).astype(bool),
            rates=stored.array("rates", k) if "rates" in stored.arrays else np.full(k, np.nan, np.float32),
            plan=plan,
            posterior=posterior,
        )


def margin(probabilities: NDArray[np.floating], *, exclusive: bool) -> Floats:
    """Between the two likeliest of exclusive classes, else the mean over the classes of that between yes and no; shape (n,)."""
    if not exclusive:
        return cast(Floats, np.abs(2 * probabilities - 1).mean(axis=1).astype(np.float32))
    top = np.sort(probabilities, axis=1)
    return cast(Floats, (top[:, -1] - (top[:, -2] if top.shape[1] > 1 else 0)).astype(np.float32))


def _finite(array: NDArray[np.floating], shape: tuple[int, ...], name: str) -> Floats:
    """`array` as float32, if it has this shape (-1: any length) and is finite."""
    array = np.asarray(array, dtype=np.float32)
    if array.ndim != len(shape) or any(s not in (-1, f) for s, f in zip(shape, array.shape, strict=True)):
        raise ValueError(f"{name} must have the shape {shape}, where -1 is any length, not {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} hold a number that is not finite")
    return array


def _checked_targets(targets: Floats, n: int, classes: Sequence[str], *, exclusive: bool) -> Floats:
    """Targets that can be learned from, of an exclusive control with rows that add up to 1."""
    if len(targets) != n:
        raise ValueError(f"there are {n} embeddings but {len(targets)} targets")
    if n and (targets.min() < 0 or targets.max() > 1):
        raise ValueError(f"targets must lie between 0 and 1, not {targets.min()} to {targets.max()}")
    if n < MINIMUM_LABELS:
        raise NotEnoughLabels(f"there are {n} labelled images, and at least {MINIMUM_LABELS} are needed to train")
    told = told_apart(targets, exclusive=exclusive)
    if told.sum() < (2 if exclusive else 1):
        seen = ", ".join(name for name, column in zip(classes, targets.T, strict=True) if column.max() > 0) or "none"
        raise NotEnoughLabels(f"there is nothing to tell apart yet: all {n} labelled images have the same label ({seen})")
    if not exclusive:
        return targets
    totals = targets.sum(axis=1, keepdims=True)
    if totals.min() <= 0:
        raise ValueError(f"target {int(totals.argmin())} gives no class any weight, but each image has one class")
    return cast(Floats, targets / totals)


def _shares(importance: NDArray[np.floating], n: int) -> Floats:
    """How much each of n galaxies counts, 1 on average."""
    counts = _finite(importance, (n,), "importance")
    if n and counts.min() <= 0:
        raise ValueError(f"importance must be above 0, not {counts.min()}")
    return cast(Floats, counts / counts.mean()) if n else counts


def _unknown(offset: NDArray[np.floating] | None, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """The columns of classes that the other head does not know, shape (k,)."""
    unknown = np.ones(shape, bool) if offset is None else np.isnan(offset)
    return cast(NDArray[np.bool_], unknown.all(axis=0))


def _rates(targets: Floats, counts: Floats, *, unknown: NDArray[np.bool_], exclusive: bool) -> Floats:
    """Logits, shape (k,), of how often the classes were labelled: of exclusive ones against all that the other head knows."""
    labelled = counts @ targets
    if not exclusive:
        return cast(Floats, np.log((labelled + 1) / (counts.sum() - labelled + 1)).astype(np.float32))
    elsewhere = max(float(counts.sum() - labelled[unknown].sum()), 0) + 1
    return cast(Floats, np.log((labelled / elsewhere).clip(LEAST_PROBABILITY, None)).astype(np.float32))


def _prior_logits(offset: NDArray[np.floating], shape: tuple[int, ...], *, rates: Floats, exclusive: bool) -> Floats:
    """Log-probabilities as logits: as they are between classes, as log-odds for yes or no; `rates` where they are NaN."""
    offset = np.asarray(offset, np.float32)
    unknown = np.isnan(offset)
    logs = _finite(np.where(unknown, 0, offset), shape, "offset").clip(np.log(LEAST_PROBABILITY), 0)
    if not exclusive:
        logs = logs - np.log1p(-np.exp(np.minimum(logs, np.log(1 - LEAST_PROBABILITY))))
    # What heads of before had in the place of `rates`: the mean of the others, or a probability of 0.001.
    old = -np.log((~unknown).sum(axis=1, keepdims=True).clip(1, None)) if exclusive else np.log(1e-3 / (1 - 1e-3))
    return cast(Floats, np.where(unknown, np.where(np.isnan(rates), old, rates), logs).astype(np.float32))


def _principal(features: Floats) -> tuple[Floats, Floats]:
    """The same geometry along its principal axes, shape (n, r) with r at most n and d, and the turn to them, shape (d, r).

    Axes with less than a millionth of the largest one's variance are left out: no strength makes them matter.
    """
    n, d = features.shape
    # Of the smaller of the two products of the features with themselves, in double precision: three times as fast as the SVD.
    gram = (features.T @ features if n >= d else features @ features.T).astype(np.float64)
    values, vectors = np.linalg.eigh(gram)
    kept = values > LEAST_VARIANCE * max(float(values[-1]), 1e-12)
    vectors, lengths = vectors[:, kept], np.sqrt(values[kept])
    turn = cast(Floats, (vectors if n >= d else (features.T @ vectors) / lengths).astype(np.float32))
    return features @ turn, turn

"""Morphology: a calibrated classifier of galaxies on frozen embeddings.

It is a logistic regression, because with ten to some thousand labels on good embeddings no other classifier is much better or
faster. The weighted features are added to an *offset*, the log-probabilities of another head (the shipped base head) for the
same galaxies. Use of the offset and strength of the regularisation are chosen by cross-validation, so that few labels do not
make the head worse than the base head.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Self, cast

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from backend.heads import storage
from backend.heads.classification.inputs import MINIMUM_LABELS, check_importance, check_targets, finite
from backend.heads.classification.link import Link
from backend.heads.classification.links import link_of
from backend.heads.classification.logistic import Hyperparameters, logits_of, solve
from backend.heads.classification.offset import label_rates, prior_logits
from backend.heads.classification.plan_choice import choose_plan
from backend.heads.classification.principal import principal_axes
from backend.heads.classification.uncertainty import Posterior, Uncertainty, split_entropy
from backend.lvm.standardisation import scales_of

__all__ = ["MINIMUM_LABELS", "Morphology"]

NAME = "morphology"

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Morphology:
    """A fitted classifier of k classes on embeddings of d numbers.

    Attributes
    ----------
    classes : tuple of str
        Names of the columns of targets and probabilities.
    exclusive : bool
        Whether each galaxy has one class (multinomial), or any number of them (k independent binary questions).
    mean, scale : ndarray, shape (d,)
        Mean and scale with which the embeddings are standardised.
    weights : ndarray, shape (d, k)
    bias : ndarray, shape (k,)
    known_classes : ndarray of bool, shape (k,)
        Classes with examples and, if independent, counter-examples. Without an offset, other exclusive classes have a
        probability of about 0.01, and other independent classes that of the rule of succession.
    rates : ndarray, shape (k,)
        Logits of the frequencies of the labels: the offset of classes that the other head does not predict. NaN in a head that
        an old version of galaxyloop stored.
    plan : Hyperparameters
        Strength, weight of the offset (0 if the head was fitted without one), and temperature, chosen by cross-validation.
    posterior : Posterior
        Uncertainty of weights and bias.
    encoder : str
        Fingerprint of the encoder whose embeddings the head reads.
    """

    classes: tuple[str, ...]
    exclusive: bool
    mean: Floats
    scale: Floats
    weights: Floats
    bias: Floats
    known_classes: NDArray[np.bool_]
    rates: Floats
    plan: Hyperparameters
    posterior: Posterior
    encoder: str = storage.FIRST_ENCODER

    @property
    def link(self) -> Link:
        """The link function of the classes."""
        return link_of(exclusive=self.exclusive)

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
        plan: Hyperparameters | None = None,
        scales: NDArray[np.float64] | None = None,
    ) -> Self:
        """Fit a classifier to labelled galaxies.

        During the fit, classes are weighted by the inverse square root of their frequency, which increases the influence of
        rare ones; the bias is then corrected (King & Zeng 2001), so that probabilities remain frequencies.

        Parameters
        ----------
        embeddings : ndarray, shape (n, d)
        targets : ndarray, shape (n, k)
            Soft labels, 0 to 1: the share of the annotators that chose the class. Rows of an exclusive head are normalised.
        classes : sequence of str, length k
        exclusive : bool
            Whether each galaxy has one class, or any number.
        offset : ndarray, shape (n, k), optional
            Log-probabilities of another head for these galaxies, at most 0, NaN for a class that it does not predict;
            `predict` then requires them, too.
        importance : ndarray, shape (n,), optional
            Weight of each galaxy, above 0; for a question of a decision tree, the share of annotators that reached it. Without
            it, all galaxies have the same weight.
        caution : float
            Number of standard errors, increased for few galaxies, by which a less simple plan must be better on held-out
            galaxies to be chosen (see `choose_plan`).
        seed : int
            Random seed of the folds.
        plan : Hyperparameters, optional
            Hyperparameters; by default they are chosen by cross-validation.
        scales : ndarray, shape (d,), optional
            Numbers by which the embeddings are divided; by default those of `scales_of`.

        Raises
        ------
        NotEnoughLabels
            With fewer than `MINIMUM_LABELS` galaxies, or where all have the same label.
        ValueError
            If shapes do not fit or a number is not finite.
        """
        link = link_of(exclusive=exclusive)
        features, targets = finite(embeddings, (-1, -1), "embeddings"), finite(targets, (-1, len(classes)), "targets")
        targets = check_targets(targets, len(features), classes, link=link)
        counts = check_importance(importance, len(features))
        mean = features.mean(axis=0)
        # Also divided by sqrt(d), so that the strength of the regularisation is independent of the length of embeddings.
        scales = scales_of(features) if scales is None else scales
        scale = (scales * np.sqrt(features.shape[1])).astype(np.float32)
        standard, known_targets = (features - mean) / scale, link.learnable(targets)
        rates = label_rates(targets, counts, offset=offset, link=link)
        prior = None if offset is None else prior_logits(offset, targets.shape, rates=rates, link=link)
        # One thread: on two busy cores, the many small matrix products took fifty times as long with two threads.
        with threadpool_limits(limits=1, user_api="blas"):
            axes = principal_axes(standard)
            short = standard @ axes
            if plan is None:
                plan = choose_plan(short, targets, counts, prior=prior, link=link, caution=caution, seed=seed)
            weights, bias = solve(short, targets, counts, prior=prior, plan=plan, known_targets=known_targets, link=link)
            plan_without_temperature = replace(plan, temperature=1.0)
            logits = logits_of(
                short, prior, weights=weights, bias=bias, plan=plan_without_temperature, known_targets=known_targets, link=link
            )
            posterior = Posterior.of(short, axes, targets, counts, logits=logits, known_targets=known_targets, link=link)
        return cls(tuple(classes), exclusive, mean, scale, axes @ weights, bias, known_targets, rates, plan, posterior)

    def predict(self, embeddings: NDArray[np.floating], *, offset: NDArray[np.floating] | None = None) -> Floats:
        """Return probabilities of the classes, shape (n, k), for embeddings of shape (n, d).

        They add up to 1 for an exclusive head. `offset`, shape (n, k), is of the kind that the head was fitted with.

        Raises
        ------
        ValueError
            If shapes do not fit, a number is not finite, or the head was fitted with an offset and gets none.
        """
        return self.link.probabilities(self._logits(embeddings, offset)[1])

    def uncertainty(self, embeddings: NDArray[np.floating], *, offset: NDArray[np.floating] | None = None) -> Uncertainty:
        """Return the epistemic and aleatoric uncertainty, nats, shape (n,) each; parameters and errors are those of `predict`.

        For independent classes it is the sum over the classes.
        """
        standard, logits = self._logits(embeddings, offset)
        deviations = self.posterior.deviations(standard) / np.float32(self.plan.temperature)
        return split_entropy(self.posterior.draw(logits, deviations, link=self.link), link=self.link)

    def _logits(self, embeddings: NDArray[np.floating], offset: NDArray[np.floating] | None) -> tuple[Floats, Floats]:
        """Return standardised features, shape (n, d), and calibrated logits, shape (n, k)."""
        features = finite(embeddings, (-1, len(self.mean)), "embeddings")
        if offset is None and self.plan.offset_weight > 0:
            raise ValueError("this head was fitted on top of another head's probabilities and needs them as `offset`")
        shape = (len(features), len(self.classes))
        prior = None if offset is None else prior_logits(offset, shape, rates=self.rates, link=self.link)
        standard = cast(Floats, (features - self.mean) / self.scale)
        logits = logits_of(
            standard,
            prior,
            weights=self.weights,
            bias=self.bias,
            plan=self.plan,
            known_targets=self.known_classes,
            link=self.link,
        )
        return standard, logits

    def confidence(self, probabilities: NDArray[np.floating]) -> Floats:
        """Return the margin of the prediction, shape (n,), 0 to 1.

        For exclusive classes, it is the difference between the two likeliest classes; unlike entropy, it is not dominated by
        many unlikely classes (Joshi, Porikli & Papanikolopoulos 2009, CVPR). For independent classes, it is the mean over the
        classes of the difference between yes and no.
        """
        return self.link.margin(probabilities)

    def save(self, folder: Path) -> None:
        """Write JSON and safetensors into `folder`."""
        fields = {
            "classes": list(self.classes),
            "exclusive": self.exclusive,
            "plan": asdict(self.plan),
            "count": self.posterior.count,
            "encoder": self.encoder,
        }
        arrays = {
            "mean": self.mean,
            "scale": self.scale,
            "weights": self.weights,
            "bias": self.bias,
            "known": self.known_classes,
        }
        arrays |= self.posterior.arrays()
        arrays |= {} if np.isnan(self.rates).any() else {"rates": self.rates}
        storage.write(folder, head=NAME, fields=fields, arrays=arrays)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a head that `save` wrote; raise HeadError if files are missing, damaged or of another kind of head."""
        record = storage.read(folder, head=NAME)
        classes, mean = record.names("classes"), record.array("mean", -1)
        d, k = len(mean), len(classes)
        return cls(
            classes=classes,
            exclusive=record.field("exclusive", bool),
            mean=mean,
            scale=record.array("scale", d),
            weights=record.array("weights", d, k),
            bias=record.array("bias", k),
            known_classes=record.array("known", k).astype(bool),
            rates=record.array("rates", k) if "rates" in record.arrays else np.full(k, np.nan, np.float32),
            plan=record.build("plan", lambda fields: Hyperparameters(**{name: float(value) for name, value in fields.items()})),
            posterior=Posterior.from_record(record, d, k),
            encoder=record.encoder,
        )

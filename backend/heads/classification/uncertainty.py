"""Uncertainty of a linear classifier: epistemic, which more labels reduce, and aleatoric, which they do not.

The Laplace approximation (MacKay 1992; for last layers Daxberger et al. 2021, NeurIPS): the posterior of the weights is a
Gaussian around the fit, and its covariance the inverse curvature of the loss. The curvature is a product of one matrix between
features and one between classes (Ritter, Botev & Barber 2018, ICLR), diagonal on the axes of both: precise enough to rank
galaxies, and a matrix product instead of the inversion of thousands of rows.

References
----------
MacKay (1992), Neural Computation 4, 448; Houlsby et al. (2011), arXiv:1112.5745.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray

from backend.heads.classification.link import Link
from backend.heads.storage import StoredHead

__all__ = ["Posterior", "Uncertainty", "split_entropy"]

DRAWS = 64
PRIOR_VARIANCE = 3.0
"""Prior variance of the logits. The strength chosen by cross-validation is not used: it grows with the number of labels, and
the uncertainty would grow with it. Active learning was as good with 1, 3 and 10."""
LEAST_LEARNED = 0.01
"""Axes along which the labels reduce the prior variance by less than this fraction are not stored."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Uncertainty:
    """Epistemic and aleatoric uncertainty of n galaxies, nats; their sum is the entropy of the predicted probabilities.

    Attributes
    ----------
    epistemic : ndarray, shape (n,)
        Information of a label about the weights (BALD, Houlsby et al. 2011, eq. 2). It falls with the number of labels, and is
        high for embeddings far from the labelled ones.
    aleatoric : ndarray, shape (n,)
        Mean entropy for given weights: high for ambiguous galaxies, on which annotators disagree.
    """

    epistemic: Floats
    aleatoric: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Posterior:
    """Posterior of the weights of a fitted logistic regression.

    Attributes
    ----------
    feature_axes : ndarray, shape (d, r)
        Axes of the features along which the labels reduced the variance, as columns.
    information : ndarray, shape (r,)
        Sum of squares of the features along each axis.
    axes : ndarray, shape (k, k)
        Axes of the logits, as columns; 0 in the rows of classes that were not fitted.
    curvature : ndarray, shape (k,)
        Mean curvature of the loss along each of `axes`.
    count : float
        Number of galaxies: the information about the bias.
    """

    feature_axes: Floats
    information: Floats
    axes: Floats
    curvature: Floats
    count: float

    @classmethod
    def of(
        cls,
        short: Floats,
        feature_axes: Floats,
        targets: Floats,
        importance: Floats,
        *,
        logits: Floats,
        known_targets: NDArray[np.bool_],
        link: Link,
    ) -> Self:
        """Return the posterior around fitted weights.

        Parameters
        ----------
        short, feature_axes : ndarray, shape (n, r) and (d, r)
            Features along their principal axes, and these axes.
        targets, importance, known_targets : as for `solve`
        logits : ndarray, shape (n, k)
            Fitted logits, before the temperature; NaN for classes without an estimate.
        link : Link
            Link function of the classes.
        """
        probabilities = np.where(known_targets, link.probabilities(logits), 0)
        mass = link.mass(targets, importance, link.weights(targets, importance))
        curvature, axes = np.linalg.eigh(link.curvature(probabilities, mass).astype(np.float64))
        curvature, axes = curvature.clip(0, None), axes * known_targets[:, None]
        information = np.square(short).sum(axis=0)
        is_learned = information * curvature.max() * PRIOR_VARIANCE > LEAST_LEARNED
        return cls(
            feature_axes=np.ascontiguousarray(feature_axes[:, is_learned]),
            information=information[is_learned],
            axes=axes.astype(np.float32),
            curvature=curvature.astype(np.float32),
            count=float(len(short)),
        )

    @classmethod
    def from_record(cls, record: StoredHead, d: int, k: int) -> Self:
        """Read the posterior of a stored head on embeddings of d numbers with k classes."""
        information = record.array("information", -1)
        return cls(
            feature_axes=record.array("turn", d, len(information)),
            information=information,
            axes=record.array("axes", k, k),
            curvature=record.array("curvature", k),
            count=float(record.field("count", float)),
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that a head stores; `count` is a field."""
        return {
            "turn": self.feature_axes,
            "information": self.information,
            "axes": self.axes,
            "curvature": self.curvature,
        }

    def deviations(self, standard: Floats) -> Floats:
        """Return the standard deviation of the logits along each of `axes`, shape (n, k), for standardised features (n, d)."""
        along = np.square(standard @ self.feature_axes)
        is_learned = self.information[:, None] * self.curvature * np.float32(PRIOR_VARIANCE)
        learned_bias = np.float32(self.count * PRIOR_VARIANCE) * self.curvature
        length = np.square(standard).sum(axis=1, keepdims=True)
        # Outside the stored axes, where embeddings unlike all labelled ones lie, the prior variance is unchanged.
        variance = (length - along @ (is_learned / (1 + is_learned))).clip(0, None) + 1 / (1 + learned_bias)
        return cast(Floats, np.sqrt(np.float32(PRIOR_VARIANCE) * variance))

    def draw(self, logits: Floats, deviations: Floats, *, link: Link) -> Iterator[Floats]:
        """Yield probabilities, shape (n, k), of `DRAWS` random sets of weights; every call uses the same random numbers."""
        half = np.random.default_rng(0).standard_normal((DRAWS // 2, len(self.curvature))).astype(np.float32)
        for deviation in np.concatenate([half, -half]):
            yield link.probabilities(logits + (deviations * deviation) @ self.axes.T)


def split_entropy(draws: Iterator[Floats], *, link: Link) -> Uncertainty:
    """Split the entropy of probabilities drawn for the same galaxies, each of shape (n, k), into both uncertainties."""
    mean: Floats | float = 0.0
    aleatoric: Floats | float = 0.0
    count = 0
    for probabilities in draws:
        mean, aleatoric, count = mean + probabilities, aleatoric + link.entropy(probabilities), count + 1
    aleatoric = cast(Floats, np.asarray(aleatoric / count, np.float32))
    total = link.entropy(cast(Floats, np.asarray(mean / count, np.float32)))
    return Uncertainty((total - aleatoric).clip(0, None), aleatoric)

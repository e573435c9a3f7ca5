"""Protocol of the operations that differ between exclusive and independent classes; `links` implements both."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Link"]

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]


class Link(Protocol):
    """A link function and its loss, for n galaxies and k classes."""

    @property
    def least_learnable(self) -> int:
        """Smallest number of learnable classes of a head."""

    def learnable(self, targets: NDArray[np.floating]) -> Flags:
        """Return which columns of `targets`, shape (n, k), have the examples that a fit needs, shape (k,).

        Independent classes need counter-examples, too.
        """

    def normalise(self, targets: Floats) -> Floats:
        """Return targets, shape (n, k), as the loss needs them; raise ValueError for an invalid row."""

    def groups(self, targets: Floats) -> NDArray[np.intp]:
        """Return the number of the group of each galaxy, by similar targets, shape (n,), for stratified folds."""

    def active(self, learnable: Flags, *, has_offset: bool) -> Flags:
        """Return which columns take part in a fit, shape (k,): those to fit, and those that compete with them."""

    def without_offset(self, logits: Floats, learnable: Flags) -> Floats:
        """Return logits, shape (n, k), of a fit without offset; NaN for classes whose probability cannot be estimated."""

    def base_logits(self, targets: Floats, importance: Floats) -> Floats:
        """Return the bias of columns that cannot be fitted and have no offset, shape (k,)."""

    def weights(self, targets: Floats, importance: Floats) -> tuple[Floats, Floats]:
        """Return the weights of positive and negative answers, shape (k,) each: inverse square roots of frequencies, mean 1."""

    def mass(self, targets: Floats, importance: Floats, weights: tuple[Floats, Floats]) -> Floats:
        """Return the total weight of the answers of each galaxy, shape (n, 1) or (n, k)."""

    def loss(self, logits: Floats, *, pull: Floats, mass: Floats) -> tuple[float, Floats]:
        """Return the sum of the log loss and its gradient in the logits, shape (n, k).

        Parameters
        ----------
        logits : ndarray, shape (n, k)
        pull : ndarray, shape (n, k)
            Weight of the positive answers.
        mass : ndarray, shape (n, 1) or (n, k)
            Total weight of the answers.
        """

    def probabilities(self, logits: Floats) -> Floats:
        """Return probabilities, shape (n, k), none of them 0 or 1; small ones where the logit is NaN."""

    def log_loss(self, probabilities: Floats, targets: Floats) -> Floats:
        """Return the log loss of each galaxy, shape (n,)."""

    def curvature(self, probabilities: NDArray[np.floating], mass: Floats) -> NDArray[np.floating]:
        """Return the mean second derivative of the loss in the logits, shape (k, k)."""

    def entropy(self, probabilities: Floats) -> Floats:
        """Return the entropy, nats, shape (n,)."""

    def margin(self, probabilities: NDArray[np.floating]) -> Floats:
        """Return the difference between the probabilities of the two likeliest answers, shape (n,), 0 to 1."""

    def rates(self, label_sums: Floats, total: float, unknown: Flags) -> Floats:
        """Return logits of the observed frequencies, shape (k,); see `offset.label_rates`."""

    def to_logits(self, logs: NDArray[np.floating]) -> NDArray[np.floating]:
        """Convert log-probabilities to logits, shape (n, k)."""

    def even_share(self, answers: int) -> float:
        """Return the prior probability of each answer, given their number."""

    def renormalise(self, answers: NDArray[np.floating]) -> NDArray[np.floating]:
        """Normalise relative probabilities of the answers to a question, shape (n, answers)."""

    def asked_share(self, answers: NDArray[np.floating], parent: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return the probability that a question is asked, shape (n,), from those of its answers and of its parent node."""

    def vote_entropy(self, frequencies: NDArray[np.floating], count: float) -> Floats:
        """Return the mean entropy, nats, shape (n,), of the Dirichlet posterior of `count` votes around `frequencies`."""

    def missing_logit(self, unknown: Flags) -> NDArray[np.floating] | float:
        """Return the logit of a class that the other head does not predict, for a head that was stored without `rates`."""

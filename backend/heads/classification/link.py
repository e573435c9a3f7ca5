"""What differs between a head of exclusive classes and one of independent classes, as a protocol; `links` has both kinds."""

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
        """Number of learnable classes that a head needs."""

    def learnable(self, targets: NDArray[np.floating]) -> Flags:
        """Columns of `targets`, shape (n, k), with examples (and counter-examples, where they are needed); shape (k,)."""

    def normalise(self, targets: Floats) -> Floats:
        """Targets, shape (n, k), as the loss needs them; a row that has no meaning is a ValueError."""

    def groups(self, targets: Floats) -> NDArray[np.intp]:
        """Number of the group of galaxies with similar targets, shape (n,): folds spread each group evenly."""

    def active(self, known: Flags, *, has_offset: bool) -> Flags:
        """Columns that take part in a fit, shape (k,): those to learn, and those that compete with them."""

    def without_offset(self, logits: Floats, known: Flags) -> Floats:
        """Logits, shape (n, k), without an offset; NaN for classes whose probability cannot be estimated."""

    def base_logits(self, targets: Floats, importance: Floats) -> Floats:
        """Bias of the columns that cannot be learned and have no offset, shape (k,)."""

    def weights(self, targets: Floats, importance: Floats) -> tuple[Floats, Floats]:
        """Weights of positive and negative answers, shape (k,) each: inverse square roots of frequencies, of mean 1."""

    def mass(self, targets: Floats, importance: Floats, weights: tuple[Floats, Floats]) -> Floats:
        """Total weight of the answers of each galaxy, shape (n, 1) or (n, k)."""

    def loss(self, logits: Floats, *, pull: Floats, mass: Floats) -> tuple[float, Floats]:
        """Log loss, summed, and its gradient in the logits, shape (n, k).

        `pull` is the weight of the positive answers, shape (n, k), and `mass` the total one.
        """

    def probabilities(self, logits: Floats) -> Floats:
        """Probabilities, shape (n, k), none of them 0 or 1; a small one where the logit is NaN."""

    def log_loss(self, probabilities: Floats, targets: Floats) -> Floats:
        """Log loss of each galaxy, shape (n,)."""

    def curvature(self, probabilities: NDArray[np.floating], mass: Floats) -> NDArray[np.floating]:
        """Mean second derivative of the loss in the logits, shape (k, k)."""

    def entropy(self, probabilities: Floats) -> Floats:
        """Entropy, nats, shape (n,)."""

    def margin(self, probabilities: NDArray[np.floating]) -> Floats:
        """Difference between the two likeliest answers, shape (n,), 0 to 1."""

    def rates(self, labelled: Floats, total: float, unknown: Flags) -> Floats:
        """Logits of the observed frequencies, shape (k,); see `offset.label_rates`."""

    def to_logits(self, logs: NDArray[np.floating]) -> NDArray[np.floating]:
        """Log-probabilities as logits, shape (n, k)."""

    def even_share(self, answers: int) -> float:
        """Probability of each of so many answers before any label."""

    def renormalise(self, answers: NDArray[np.floating]) -> NDArray[np.floating]:
        """Probabilities of the answers to a question, shape (n, answers), from relative ones."""

    def asked_share(self, answers: NDArray[np.floating], parent: NDArray[np.floating]) -> NDArray[np.floating]:
        """Probability that a question is asked, shape (n,), from those of its answers and of the node where it is asked."""

    def vote_entropy(self, frequencies: NDArray[np.floating], count: float) -> Floats:
        """Mean entropy, nats, shape (n,), of the Dirichlet posterior that `count` votes give around `frequencies`."""

    def missing_logit(self, unknown: Flags) -> NDArray[np.floating] | float:
        """Logit of a class that the other head does not know, in a head that was stored without `rates`."""

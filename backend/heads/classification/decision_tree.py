"""Decision trees: at each question of a taxonomy a classifier of its own, learned from the annotators who reached it.

The probability of a path is the product of the answers along it. So a rare answer far down is learned among its sisters, and
not against all other galaxies. A galaxy counts at a question as much as the share of its annotators who reached it: the product
of the answers' likelihoods is then that of the whole paths, as with the votes of Walmsley+2022.

References
----------
Willett et al. (2013), MNRAS 435, 2835 (the tree); Walmsley et al. (2022), MNRAS 509, 3966 (its votes, modelled).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Self, cast

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma

from backend.heads import storage
from backend.heads.classification.logistic import LEAST_PROBABILITY
from backend.heads.classification.morphology import MINIMUM_LABELS, Morphology, margin
from backend.heads.classification.questions import Question, QuestionTree
from backend.heads.classification.uncertainty import Uncertainty, entropy
from backend.heads.errors import HeadError, NotEnoughLabels

__all__ = ["DecisionTree"]

NAME = "tree"

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class DecisionTree:
    """A fitted tree of k paths, m nodes and q questions.

    Attributes
    ----------
    tree : QuestionTree
    exclusive : bool
        Whether each galaxy has one answer at a question, or any number of them: a barred, ringed spiral has three paths.
    heads : tuple of Morphology or None, length q
        The classifier of each question's answers; None where the labels are too few or all the same.
    frequencies : ndarray, shape (m,)
        How often each node was the answer where its question was reached, drawn to even odds where that was seldom.
    reached : ndarray, shape (q,)
        Galaxies, or parts of one, with annotators who reached the question.
    """

    tree: QuestionTree
    exclusive: bool
    heads: tuple[Morphology | None, ...]
    frequencies: Floats
    reached: Floats

    @classmethod
    def fit(
        cls,
        embeddings: NDArray[np.floating],
        targets: NDArray[np.floating],
        *,
        paths: Sequence[Sequence[str]],
        exclusive: bool,
        offset: NDArray[np.floating] | None = None,
        seed: int = 0,
    ) -> Self:
        """Learn from labelled galaxies.

        Parameters
        ----------
        embeddings : ndarray, shape (n, d)
        targets : ndarray, shape (n, m)
            The share of annotators who came through each node, as `QuestionTree.shares` gives it.
        paths : sequence of path, length k
            Those that may be picked.
        exclusive : bool
            One path a galaxy, or any number.
        offset : ndarray, shape (n, k), optional
            Log-probabilities of the paths by another head, at most 0, NaN for a path that it does not know; then `predict`
            needs them too.
        seed : int
            Of the folds.

        Raises
        ------
        NotEnoughLabels
            If there is no question with `MINIMUM_LABELS` galaxies and something to tell apart.
        ValueError
            If shapes do not fit or a number is not finite.
        """
        tree = QuestionTree.of(paths)
        targets = np.asarray(targets, np.float32)
        if targets.shape != (len(embeddings), len(tree.nodes)):
            raise ValueError(f"targets must have the shape {(len(embeddings), len(tree.nodes))}, not {targets.shape}")
        priors = [None] * len(tree.questions) if offset is None else list(_opinions(tree, offset, exclusive=exclusive))
        heads: list[Morphology | None] = []
        reasons = []
        reached = np.zeros(len(tree.questions), np.float32)
        frequencies = np.ones(len(tree.nodes), np.float32)
        for index, (question, prior) in enumerate(zip(tree.questions, priors, strict=True)):
            answers = list(question.answers)
            share = np.ones(len(targets), np.float32) if question.asked_at is None else targets[:, question.asked_at]
            at = share > 0
            reached[index] = share.sum()
            even = 1 / len(answers) if exclusive else 0.5
            frequencies[answers] = (targets[:, answers].sum(axis=0) + 1) / (reached[index] + 1 / even)
            if len(answers) == 1:  # whoever comes here has but one way on
                frequencies[answers], head = 1, None
            else:
                try:
                    head = Morphology.fit(
                        embeddings[at],
                        (targets[at][:, answers] / share[at, None]).clip(0, 1),
                        classes=["/".join(tree.nodes[answer]) for answer in answers],
                        exclusive=exclusive,
                        offset=None if prior is None else prior[at],
                        importance=share[at],
                        seed=seed,
                    )
                except NotEnoughLabels as error:
                    head = None
                    reasons.append(str(error))
            heads.append(head)
        if not any(heads):
            raise NotEnoughLabels(reasons[0] if reasons else "there is nothing to tell apart: no question has two answers")
        return cls(tree, exclusive, tuple(heads), frequencies, reached)

    @property
    def classes(self) -> tuple[str, ...]:
        """The paths as single names, in the order of the columns of `predict`."""
        return tuple("/".join(path) for path in self.tree.paths)

    def predict(self, embeddings: NDArray[np.floating], *, offset: NDArray[np.floating] | None = None) -> Floats:
        """Probabilities of the paths, shape (n, k), for embeddings of shape (n, d); of an exclusive tree they add up to 1.

        `offset`, shape (n, k), is of the kind that the tree was fitted with.

        Raises
        ------
        ValueError
            If shapes do not fit, a number is not finite, or the tree was fitted with an offset and gets none.
        """
        return self.predict_nodes(embeddings, offset=offset)[:, self.tree.ends]

    def predict_nodes(self, embeddings: NDArray[np.floating], *, offset: NDArray[np.floating] | None = None) -> Floats:
        """Probability that an annotator comes through each node, shape (n, m); takes and raises what `predict` does."""
        nodes = np.ones((len(embeddings), len(self.tree.nodes)), np.float32)
        for index, question, prior in self._asked(offset):
            above = 1 if question.asked_at is None else nodes[:, [question.asked_at]]
            nodes[:, question.answers] = above * self._answers(index, question, embeddings, prior)
        return nodes

    def uncertainty(self, embeddings: NDArray[np.floating], *, offset: NDArray[np.floating] | None = None) -> Uncertainty:
        """What more labels would cure and what they would not, shape (n,) each, in nats; takes and raises what `predict` does.

        By the chain rule each question adds its own as often as it is reached (Cover & Thomas 2006, theorem 2.2.1).
        """
        nodes = self.predict_nodes(embeddings, offset=offset)
        epistemic, aleatoric = np.zeros((2, len(nodes)), np.float32)
        for index, question, prior in self._asked(offset):
            above = np.float32(1) if question.asked_at is None else nodes[:, question.asked_at]
            head = self.heads[index]
            if head is None:
                answers = self._answers(index, question, embeddings, prior)
                one = _of_votes(answers, float(self.reached[index]), exclusive=self.exclusive)
            else:
                one = head.uncertainty(embeddings, offset=prior)
            epistemic, aleatoric = epistemic + above * one.epistemic, aleatoric + above * one.aleatoric
        return Uncertainty(epistemic, aleatoric)

    def confidence(self, probabilities: NDArray[np.floating]) -> Floats:
        """How sure the tree is of each galaxy, shape (n,), from probabilities of its paths: see `Morphology.confidence`."""
        return margin(probabilities, exclusive=self.exclusive)

    def _asked(self, offset: NDArray[np.floating] | None) -> Iterator[tuple[int, Question, Floats | None]]:
        """Number, question and the other head's opinion of its answers."""
        opinions = None if offset is None else _opinions(self.tree, offset, exclusive=self.exclusive)
        for index, question in enumerate(self.tree.questions):
            yield index, question, None if opinions is None else next(opinions)

    def _answers(self, index: int, question: Question, embeddings: NDArray[np.floating], prior: Floats | None) -> Floats:
        """Probabilities of a question's answers where it is reached, shape (n, answers)."""
        head = self.heads[index]
        if head is not None:
            return head.predict(embeddings, offset=prior)
        if prior is not None and not np.isnan(prior).all() and self.reached[index] < MINIMUM_LABELS:
            answers = np.exp(np.where(np.isnan(prior), np.log(LEAST_PROBABILITY), prior))
            return cast(Floats, answers / answers.sum(axis=1, keepdims=True) if self.exclusive else answers)
        return np.tile(self.frequencies[list(question.answers)], (len(embeddings), 1))

    def save(self, folder: FilePath) -> None:
        """Write JSON and safetensors into `folder`, and each question's classifier into a folder in it."""
        trained = [index for index, head in enumerate(self.heads) if head is not None]
        fields = {"paths": [list(path) for path in self.tree.paths], "exclusive": self.exclusive, "trained": trained}
        storage.write(folder, head=NAME, fields=fields, arrays={"frequencies": self.frequencies, "reached": self.reached})
        for index, head in enumerate(self.heads):
            if head is not None:
                head.save(_place(folder, index))

    @classmethod
    def load(cls, folder: FilePath) -> Self:
        """Read what `save` wrote; anything else is a `HeadError`."""
        stored = storage.read(folder, head=NAME)
        try:
            tree = QuestionTree.of([tuple(map(str, path)) for path in stored.field("paths", list)])
        except (TypeError, ValueError) as error:
            raise HeadError(f"the paths of the head in {folder} are damaged: {error}") from error
        exclusive, trained = stored.field("exclusive", bool), stored.field("trained", list)
        heads = tuple(Morphology.load(_place(folder, i)) if i in trained else None for i in range(len(tree.questions)))
        for head, question in zip(heads, tree.questions, strict=True):
            if head is not None and (head.exclusive, len(head.classes)) != (exclusive, len(question.answers)):
                raise HeadError(
                    f"a question of the head in {folder} has {len(head.classes)} answers, not {len(question.answers)}"
                )
        frequencies, reached = stored.array("frequencies", len(tree.nodes)), stored.array("reached", len(tree.questions))
        return cls(tree, exclusive, heads, frequencies, reached)


def _place(folder: FilePath, index: int) -> FilePath:
    return folder / f"question-{index}"


def _opinions(tree: QuestionTree, offset: NDArray[np.floating], *, exclusive: bool) -> Iterator[Floats]:
    """Log-probabilities of each question's answers where it is reached, from those of the paths, shape (n, k).

    NaN for an answer below which there is no path that the other head knows.
    """
    unknown = np.isnan(offset)
    nodes = tree.gather(np.where(unknown, 0, np.exp(np.asarray(offset, np.float64).clip(None, 0))))
    heard = tree.gather(~unknown)
    for question in tree.questions:
        answers = nodes[:, question.answers]
        above = answers.sum(axis=1) if exclusive else np.ones(len(nodes))
        if not exclusive and question.asked_at is not None:
            above = nodes[:, question.asked_at]
        conditional = answers / above[:, None].clip(LEAST_PROBABILITY, None)
        logs = np.log(conditional.clip(LEAST_PROBABILITY, 1 - LEAST_PROBABILITY))
        yield cast(Floats, np.where(heard[:, question.answers] > 0, logs, np.nan).astype(np.float32))


def _of_votes(answers: Floats, count: float, *, exclusive: bool) -> Uncertainty:
    """Uncertainty of frequencies that `count` galaxies tell of: mean entropy of the Dirichlet distribution around them."""
    if answers.shape[1] == 1:
        return Uncertainty(*np.zeros((2, len(answers)), np.float32))
    total = count + (answers.shape[1] if exclusive else 2)
    sides = (answers,) if exclusive else (answers, 1 - answers)
    nats = (one * (digamma(total + 1) - digamma(one * total + 1)) for one in sides)
    aleatoric = cast(Floats, np.sum(list(nats), axis=(0, 2)).astype(np.float32))
    return Uncertainty((entropy(answers, exclusive=exclusive) - aleatoric).clip(0, None), aleatoric)

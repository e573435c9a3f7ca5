"""Decision trees: one classifier for each question of a taxonomy, trained on the galaxies for which the question was asked.

The probability of a path is the product of the probabilities of its answers. A rare answer deep in the tree is thus compared
with its siblings only, not with all other galaxies. The weight of a galaxy at a question is the share of its annotators who
reached it; the product of the likelihoods of the answers is then the likelihood of the whole paths, as for the votes of
Walmsley+2022. The method is a local classifier per parent node (Silla & Freitas 2011); HiClass (JMLR 24, 29) implements it
without soft labels and offsets.

References
----------
Willett et al. (2013), MNRAS 435, 2835 (the tree); Walmsley et al. (2022), MNRAS 509, 3966 (its votes, modelled); Silla &
Freitas (2011), Data Mining and Knowledge Discovery 22, 31.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Self, cast

import numpy as np
from numpy.typing import NDArray

from backend.heads import storage
from backend.heads.classification.inputs import MINIMUM_LABELS
from backend.heads.classification.link import Link
from backend.heads.classification.links import LEAST_PROBABILITY, link_of
from backend.heads.classification.morphology import Morphology
from backend.heads.classification.question_offsets import question_offsets
from backend.heads.classification.questions import Question, QuestionTree
from backend.heads.classification.uncertainty import Uncertainty
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
        Whether each galaxy has one answer to a question, or any number of answers: a barred, ringed spiral has three paths.
    heads : tuple of Morphology or None, length q
        Classifier of the answers to each question; None where the labels are too few or all equal.
    frequencies : ndarray, shape (m,)
        Frequency of each node as the answer to its question, regularised towards even odds.
    counts : ndarray, shape (q,)
        Number of galaxies with annotators who reached the question, each counted by the share of these annotators.
    encoder : str
        Fingerprint of the encoder whose embeddings the head reads.
    """

    tree: QuestionTree
    exclusive: bool
    heads: tuple[Morphology | None, ...]
    frequencies: Floats
    counts: Floats
    encoder: str = storage.FIRST_ENCODER

    @property
    def link(self) -> Link:
        """The link function of the answers."""
        return link_of(exclusive=self.exclusive)

    @classmethod
    def fit(
        cls,
        embeddings: NDArray[np.floating],
        targets: NDArray[np.floating],
        *,
        paths: Sequence[Sequence[str]],
        exclusive: bool,
        offset: NDArray[np.floating] | None = None,
        caution: float = 1.0,
        seed: int = 0,
        like: DecisionTree | None = None,
    ) -> Self:
        """Fit a tree to labelled galaxies.

        Parameters
        ----------
        embeddings : ndarray, shape (n, d)
        targets : ndarray, shape (n, m)
            Share of annotators whose paths contain each node, from `QuestionTree.shares`.
        paths : sequence of path, length k
            All paths that annotators can choose.
        exclusive : bool
            Whether each galaxy has one path, or any number.
        offset : ndarray, shape (n, k), optional
            Log-probabilities of the paths by another head, at most 0, NaN for a path that it does not predict; `predict` then
            requires them, too.
        caution, seed : float and int
            As for `Morphology.fit`.
        like : DecisionTree, optional
            Tree whose hyperparameters are used; by default they are chosen by cross-validation.

        Raises
        ------
        NotEnoughLabels
            If no question has `MINIMUM_LABELS` galaxies with different answers.
        ValueError
            If shapes do not fit or a number is not finite.
        """
        tree, link = QuestionTree.of(paths), link_of(exclusive=exclusive)
        targets = np.asarray(targets, np.float32)
        if targets.shape != (len(embeddings), len(tree.nodes)):
            raise ValueError(f"targets must have the shape {(len(embeddings), len(tree.nodes))}, not {targets.shape}")
        priors = [None] * len(tree.questions) if offset is None else list(question_offsets(tree, offset, link=link))
        heads: list[Morphology | None] = []
        reasons = []
        annotation_weights = np.zeros(len(tree.questions), np.float32)
        frequencies = np.ones(len(tree.nodes), np.float32)
        for index, (question, prior) in enumerate(zip(tree.questions, priors, strict=True)):
            answers = list(question.answers)
            share = np.ones(len(targets), np.float32) if question.asked_at is None else targets[:, question.asked_at]
            reaching = share > 0
            annotation_weights[index] = share.sum()
            head = None
            if len(answers) > 1:
                even = link.even_share(len(answers))
                other = None if like is None else like.heads[index]
                frequencies[answers] = (targets[:, answers].sum(axis=0) + 1) / (annotation_weights[index] + 1 / even)
                try:
                    head = Morphology.fit(
                        embeddings[reaching],
                        (targets[reaching][:, answers] / share[reaching, None]).clip(0, 1),
                        classes=["/".join(tree.nodes[answer]) for answer in answers],
                        exclusive=exclusive,
                        offset=None if prior is None else prior[reaching],
                        importance=share[reaching],
                        caution=caution,
                        seed=seed,
                        plan=None if other is None else other.plan,
                    )
                except NotEnoughLabels as error:
                    reasons.append(str(error))
            heads.append(head)
        if not any(heads):
            raise NotEnoughLabels(reasons[0] if reasons else "no question has two answers")
        return cls(tree, exclusive, tuple(heads), frequencies, annotation_weights)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the paths, joined with "/", in the order of the columns of `predict`."""
        return tuple("/".join(path) for path in self.tree.paths)

    def predict(self, embeddings: NDArray[np.floating], *, offset: NDArray[np.floating] | None = None) -> Floats:
        """Return probabilities of the paths, shape (n, k), for embeddings of shape (n, d).

        Those of an exclusive tree add up to 1. `offset`, shape (n, k), is of the kind that the tree was fitted with.

        Raises
        ------
        ValueError
            If shapes do not fit, a number is not finite, or the tree was fitted with an offset and gets none.
        """
        return self.predict_nodes(embeddings, offset=offset)[:, self.tree.ends]

    def predict_nodes(self, embeddings: NDArray[np.floating], *, offset: NDArray[np.floating] | None = None) -> Floats:
        """Return the probability of each node, shape (n, m); parameters and errors are those of `predict`."""
        nodes = np.ones((len(embeddings), len(self.tree.nodes)), np.float32)
        for index, question, prior in self._questions(offset):
            above = 1 if question.asked_at is None else nodes[:, [question.asked_at]]
            nodes[:, question.answers] = above * self._answers(index, question, embeddings, prior)
        return nodes

    def uncertainty(self, embeddings: NDArray[np.floating], *, offset: NDArray[np.floating] | None = None) -> Uncertainty:
        """Return the epistemic and aleatoric uncertainty, nats, shape (n,) each; parameters and errors are those of `predict`.

        By the chain rule of entropy, it is the sum of the uncertainties of the questions, weighted by the probability that each
        is asked (Cover & Thomas 2006, theorem 2.2.1).
        """
        nodes = self.predict_nodes(embeddings, offset=offset)
        epistemic, aleatoric = np.zeros((2, len(nodes)), np.float32)
        for index, question, prior in self._questions(offset):
            above = np.float32(1) if question.asked_at is None else nodes[:, question.asked_at]
            head = self.heads[index]
            if head is None:
                part = self._vote_uncertainty(self._answers(index, question, embeddings, prior), float(self.counts[index]))
            else:
                part = head.uncertainty(embeddings, offset=prior)
            epistemic, aleatoric = epistemic + above * part.epistemic, aleatoric + above * part.aleatoric
        return Uncertainty(epistemic, aleatoric)

    def confidence(self, probabilities: NDArray[np.floating]) -> Floats:
        """Return the margin of the prediction, shape (n,), from probabilities of the paths: see `Morphology.confidence`."""
        return self.link.margin(probabilities)

    def _questions(self, offset: NDArray[np.floating] | None) -> Iterator[tuple[int, Question, Floats | None]]:
        """Yield each question with its index and the log-probabilities of its answers by the other head."""
        offsets = None if offset is None else question_offsets(self.tree, offset, link=self.link)
        for index, question in enumerate(self.tree.questions):
            yield index, question, None if offsets is None else next(offsets)

    def _answers(self, index: int, question: Question, embeddings: NDArray[np.floating], prior: Floats | None) -> Floats:
        """Return the probabilities of the answers to a question, given that it is asked, shape (n, answers)."""
        head = self.heads[index]
        if head is not None:
            return head.predict(embeddings, offset=prior)
        if prior is not None and not np.isnan(prior).all() and self.counts[index] < MINIMUM_LABELS:
            answers = np.exp(np.where(np.isnan(prior), np.log(LEAST_PROBABILITY), prior))
            return cast(Floats, self.link.renormalise(answers))
        return np.tile(self.frequencies[list(question.answers)], (len(embeddings), 1))

    def _vote_uncertainty(self, answers: Floats, count: float) -> Uncertainty:
        """Return the uncertainty of a question without a classifier, from its answers' frequencies, shape (n, answers)."""
        if answers.shape[1] == 1:
            return Uncertainty(*np.zeros((2, len(answers)), np.float32))
        aleatoric = self.link.vote_entropy(answers, count)
        return Uncertainty((self.link.entropy(answers) - aleatoric).clip(0, None), aleatoric)

    def save(self, folder: FilePath) -> None:
        """Write JSON and safetensors into `folder`, and each question's classifier into a subfolder."""
        trained_questions = [index for index, head in enumerate(self.heads) if head is not None]
        fields: dict[str, object] = {"paths": list(map(list, self.tree.paths)), "exclusive": self.exclusive}
        fields |= {"trained": trained_questions, "encoder": self.encoder}
        storage.write(folder, head=NAME, fields=fields, arrays={"frequencies": self.frequencies, "reached": self.counts})
        for index, head in enumerate(self.heads):
            if head is not None:
                head.save(_folder_of(folder, index))

    @classmethod
    def load(cls, folder: FilePath) -> Self:
        """Read a tree that `save` wrote; raise HeadError if files are missing, damaged or of another kind of head."""
        record = storage.read(folder, head=NAME)
        try:
            tree = QuestionTree.of([tuple(map(str, path)) for path in record.field("paths", list)])
        except (TypeError, ValueError) as error:
            raise HeadError(f"the paths of the head in {folder} are damaged: {error}") from error
        exclusive, trained_questions = record.field("exclusive", bool), record.field("trained", list)
        heads = tuple(
            Morphology.load(_folder_of(folder, i)) if i in trained_questions else None for i in range(len(tree.questions))
        )
        for head, question in zip(heads, tree.questions, strict=True):
            if head is not None and (head.exclusive, len(head.classes)) != (exclusive, len(question.answers)):
                raise HeadError(f"a question of the head in {folder} has not {len(question.answers)} answers")
        frequencies, reached_shares = record.array("frequencies", len(tree.nodes)), record.array("reached", len(tree.questions))
        return cls(tree, exclusive, heads, frequencies, reached_shares, record.encoder)


def _folder_of(folder: FilePath, index: int) -> FilePath:
    return folder / f"question-{index}"

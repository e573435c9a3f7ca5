"""The questions of a taxonomy, as in the decision tree of Galaxy Zoo: at each node with children, which child applies.

A path that an annotator chooses answers every question along it. The label of a galaxy is, for each node, the share of its
annotators whose paths contain the node; the share of a node is the weight of the answers below it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

__all__ = ["Path", "Question", "QuestionTree"]

Path = tuple[str, ...]
STOP = ""
"""Last name of the answer "none of the children", for a path that ends at a node with children."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question: the node at which it is asked (None: for every galaxy) and the nodes that are its answers."""

    asked_at: int | None
    answers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class QuestionTree:
    """A taxonomy of k paths, as questions.

    Attributes
    ----------
    paths : tuple of path, length k
        All paths that annotators can choose.
    nodes : tuple of path, length m
        All nodes of the paths, parents before children.
    ends : tuple of int, length k
        Index of the node at which each path ends.
    questions : tuple of Question
        Parents before children.
    """

    paths: tuple[Path, ...]
    nodes: tuple[Path, ...]
    ends: tuple[int, ...]
    questions: tuple[Question, ...]

    @classmethod
    def of(cls, paths: Sequence[Sequence[str]]) -> QuestionTree:
        """Build the tree of the paths that annotators can choose.

        Raises
        ------
        ValueError
            If there is no path, an empty path, or a duplicate path.
        """
        path_tuples = tuple(tuple(path) for path in paths)
        if not path_tuples or () in path_tuples or len(set(path_tuples)) < len(path_tuples):
            raise ValueError(f"a tree needs different paths of at least one name each, not {list(paths)}")
        inner = {path[:depth] for path in path_tuples for depth in range(len(path))}
        ends = [(*path, STOP) if path in inner else path for path in path_tuples]
        position: dict[Path, int] = {}
        for end in ends:
            for depth in range(1, len(end) + 1):
                position.setdefault(end[:depth], len(position))
        answers: dict[Path, list[int]] = {}
        for node, index in position.items():
            answers.setdefault(node[:-1], []).append(index)
        questions = tuple(Question(position.get(node), tuple(below)) for node, below in answers.items())
        return cls(path_tuples, tuple(position), tuple(position[end] for end in ends), questions)

    @property
    def depth(self) -> int:
        """Number of questions on the longest path."""
        return max(map(len, self.nodes))

    def shares(self, choices: Sequence[Sequence[Path]], *, exclusive: bool) -> NDArray[np.float64]:
        """Return the share of annotators whose paths contain each node, shape (m,).

        Parameters
        ----------
        choices : sequence of sequence of path
            The paths of each annotator; annotators without a path of this tree are ignored.
        exclusive : bool
            Whether the vote of an annotator with several paths is divided among them, or counts fully for each.
        """
        votes = []
        ends = dict(zip(self.paths, self.ends, strict=True))
        position = {node: index for index, node in enumerate(self.nodes)}
        for paths in choices:
            ends_of_paths = [self.nodes[ends[path]] for path in paths if path in ends]
            vote = np.zeros(len(self.nodes))
            for end in ends_of_paths:
                through = [position[end[:depth]] for depth in range(1, len(end) + 1)]
                vote[through] = vote[through] + 1 / len(ends_of_paths) if exclusive else 1
            if ends_of_paths:
                votes.append(vote)
        return cast(NDArray[np.float64], np.mean(votes, axis=0)) if votes else np.zeros(len(self.nodes))

    def gather(self, probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the probability of each node, shape (n, m), from those of the paths, shape (n, k)."""
        nodes = np.zeros((len(probabilities), len(self.nodes)))
        nodes[:, self.ends] = probabilities
        for question in reversed(self.questions):
            if question.asked_at is not None:
                nodes[:, question.asked_at] = nodes[:, question.answers].sum(axis=1).clip(0, 1)
        return nodes

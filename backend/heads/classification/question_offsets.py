"""Offsets of the questions of a tree: the log-probabilities that another head gives to the answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import numpy as np
from numpy.typing import NDArray

from backend.heads.classification.link import Link
from backend.heads.classification.links import LEAST_PROBABILITY
from backend.heads.classification.questions import QuestionTree

__all__ = ["question_offsets"]


def question_offsets(tree: QuestionTree, offset: NDArray[np.floating], *, link: Link) -> Iterator[NDArray[np.float32]]:
    """Yield the log-probabilities of the answers to each question, given that it is asked, from those of paths, shape (n, k).

    They are NaN for an answer if the other head predicts no path below it.
    """
    unknown = np.isnan(offset)
    nodes = tree.gather(np.where(unknown, 0, np.exp(np.asarray(offset, np.float64).clip(None, 0))))
    known_nodes = tree.gather(~unknown)
    for question in tree.questions:
        answers = nodes[:, question.answers]
        parent = np.ones(len(nodes)) if question.asked_at is None else nodes[:, question.asked_at]
        conditional = answers / link.asked_share(answers, parent)[:, None].clip(LEAST_PROBABILITY, None)
        logs = np.log(conditional.clip(LEAST_PROBABILITY, 1 - LEAST_PROBABILITY))
        yield cast(NDArray[np.float32], np.where(known_nodes[:, question.answers] > 0, logs, np.nan).astype(np.float32))

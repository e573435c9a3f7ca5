"""Votes: the share of volunteers who gave each answer, for several questions (as Walmsley et al. 2022, Zoobot).

The loss is the cross-entropy between shares and predictions of each question, summed over the questions. Shares refer to all
volunteers, so a question that few volunteers were asked has a low weight. Answers are weighted by the inverse square root of
their mean share, so that rare answers have a higher weight.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["Votes", "questions_of"]

HIDDEN = 512
LEAST_SHARE = 0.003
"""Added to the mean share of each answer, which bounds the weights of rare answers."""
DROPOUT = 0.2


def questions_of(answers: Sequence[str]) -> list[list[int]]:
    """Return the columns of each question, from names `question/answer`."""
    columns_of: dict[str, list[int]] = {}
    for column, name in enumerate(answers):
        columns_of.setdefault(name.split("/")[0], []).append(column)
    return list(columns_of.values())


class Votes(nn.Module):
    """A classifier for several questions: linear, or with a hidden layer.

    With a hidden layer, the embedding need not be linear in the answers, and keeps more of what other questions need
    (Bordes et al. 2023, arXiv:2206.13378).

    Parameters
    ----------
    dimension : int
        Length of an embedding.
    answers : sequence of str
        Names `question/answer`, one per column of the votes.
    shares : Tensor, shape (len(answers),)
        Mean votes of each answer, from which the weights of the answers are derived.
    projects : bool
        Whether there is a hidden layer.
    """

    weights: Tensor

    def __init__(self, dimension: int, answers: Sequence[str], shares: Tensor, *, projects: bool = False) -> None:
        super().__init__()
        self.questions = questions_of(answers)
        layers = [nn.Linear(dimension, HIDDEN), nn.BatchNorm1d(HIDDEN), nn.GELU()] if projects else []
        width = HIDDEN if projects else dimension
        self.answer = nn.Sequential(*layers, nn.Dropout(DROPOUT), nn.Linear(width, len(answers)))
        weights = torch.ones(len(answers))
        for columns in self.questions:
            within = shares[columns] / shares[columns].sum().clamp(min=1e-9)
            rare = (within + LEAST_SHARE).rsqrt()
            weights[columns] = rare / (rare * within).sum().clamp(min=1e-9)
        self.register_buffer("weights", weights)

    def forward(self, embeddings: Tensor, votes: Tensor) -> Tensor:
        """Compute the loss of embeddings, shape (2, n, dimension), given votes, shape (n, len(answers)).

        Rows of zeros have no votes and do not contribute.
        """
        logits, loss = self.answer(embeddings.flatten(0, 1)).unflatten(0, embeddings.shape[:2]), embeddings.new_zeros(())
        for columns in self.questions:
            loss = loss - (votes[:, columns] * self.weights[columns] * logits[..., columns].log_softmax(-1)).sum(-1).mean()
        # The mean over the rows with votes, independent of their fraction of the batch.
        return loss / (votes.sum(dim=1) > 0).float().mean().clamp(min=1 / max(1, len(votes)))

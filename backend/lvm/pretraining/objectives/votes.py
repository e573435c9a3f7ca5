"""Votes: the share of volunteers who gave each answer, several questions at once (as Walmsley et al. 2022, Zoobot).

The loss is the cross-entropy between shares and predictions of each question, summed over the questions; a question that few
were led to weighs little because its shares are of all volunteers. Rare answers count more, by the inverse square root of their
share.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["Votes", "questions_of"]

LEAST_SHARE = 0.003
"""An answer that hardly anybody gives does not weigh without bound."""
DROPOUT = 0.2


def questions_of(answers: Sequence[str]) -> list[list[int]]:
    """Columns of each question, from names `question/answer`."""
    grouped: dict[str, list[int]] = {}
    for column, name in enumerate(answers):
        grouped.setdefault(name.split("/")[0], []).append(column)
    return list(grouped.values())


class Votes(nn.Module):
    """Linear answers to several questions.

    Parameters
    ----------
    dimension : int
        Length of an embedding.
    answers : sequence of str
        Names `question/answer`, one a column of the votes.
    shares : Tensor, shape (len(answers),)
        Mean votes of each answer, from which the weights of rare ones are derived.
    """

    weights: Tensor

    def __init__(self, dimension: int, answers: Sequence[str], shares: Tensor) -> None:
        super().__init__()
        self.questions = questions_of(answers)
        self.answer = nn.Sequential(nn.Dropout(DROPOUT), nn.Linear(dimension, len(answers)))
        weights = torch.ones(len(answers))
        for columns in self.questions:
            within = shares[columns] / shares[columns].sum().clamp(min=1e-9)
            rare = (within + LEAST_SHARE).rsqrt()
            weights[columns] = rare / (rare * within).sum().clamp(min=1e-9)
        self.register_buffer("weights", weights)

    def forward(self, embeddings: Tensor, votes: Tensor) -> Tensor:
        """Loss of embeddings, shape (2, n, dimension), against votes, shape (n, len(answers)); rows without votes are zero."""
        logits, loss = self.answer(embeddings), embeddings.new_zeros(())
        for columns in self.questions:
            loss = loss - (votes[:, columns] * self.weights[columns] * logits[..., columns].log_softmax(-1)).sum(-1).mean()
        # The mean over those who were asked, whatever share of the batch they are.
        return loss / (votes.sum(dim=1) > 0).float().mean().clamp(min=1 / max(1, len(votes)))

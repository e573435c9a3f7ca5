"""Votes: several questions at the same time, each weighted by the share of volunteers who were asked it and answered."""

from __future__ import annotations

import pytest
import torch

from backend.lvm.pretraining.objectives.votes import Votes, questions_of

ANSWERS = ("smooth/yes", "smooth/no", "bar/yes", "bar/no")


def objective(shares: tuple[float, ...] = (0.5, 0.5, 0.5, 0.5)) -> Votes:
    torch.manual_seed(0)
    return Votes(4, ANSWERS, torch.tensor(shares)).eval()


def loss(votes: Votes, shares: list[float], embedding: list[float]) -> float:
    with torch.no_grad():
        layer = votes.answer[1]
        assert isinstance(layer, torch.nn.Linear)
        layer.weight.copy_(torch.eye(4))
        layer.bias.zero_()
        return float(votes(torch.tensor([[embedding], [embedding]]), torch.tensor([shares])))


def test_answers_are_grouped_by_question() -> None:
    assert questions_of(["a/1", "b/1", "a/2"]) == [[0, 2], [1]]


def test_the_most_frequent_answer_has_the_lowest_loss() -> None:
    shares = [0.9, 0.1, 0.0, 0.0]
    assert loss(objective(), shares, [2.0, -2.0, 0, 0]) < loss(objective(), shares, [-2.0, 2.0, 0, 0])


def test_an_unasked_question_has_no_loss() -> None:
    shares = [0.9, 0.1, 0.0, 0.0]
    assert loss(objective(), shares, [1.0, 0, 5.0, -5.0]) == pytest.approx(loss(objective(), shares, [1.0, 0, -5.0, 5.0]))


def test_rare_answers_have_more_weight() -> None:
    weights = objective((0.99, 0.01, 0.5, 0.5)).weights
    assert weights[1] > 5 * weights[0]
    assert weights[2] == pytest.approx(weights[3])


def test_galaxies_without_votes_do_not_change_the_loss() -> None:
    votes = objective()
    embeddings, shares = torch.randn(2, 2, 4), torch.tensor([[1.0, 0, 1, 0], [0, 0, 0, 0]])
    assert votes(embeddings, shares).item() == pytest.approx(votes(embeddings[:, :1], shares[:1]).item(), rel=1e-5)


def test_a_batch_without_any_votes_has_no_loss() -> None:
    assert objective()(torch.randn(2, 3, 4), torch.zeros(3, 4)) == 0


def test_a_projector_learns_answers_that_are_not_linear_in_the_embedding() -> None:
    torch.manual_seed(0)
    votes = Votes(2, ("same/yes", "same/no"), torch.tensor([0.5, 0.5]), projects=True)
    corners = torch.tensor([[1.0, 1], [-1, -1], [1, -1], [-1, 1]]).repeat(8, 1)
    shares = torch.tensor([[1.0, 0], [1, 0], [0, 1], [0, 1]]).repeat(8, 1)
    optimizer = torch.optim.Adam(votes.parameters(), lr=0.01)
    for _ in range(60):
        optimizer.zero_grad()
        votes(corners.expand(2, -1, -1), shares).backward()
        optimizer.step()
    assert votes.eval()(corners.expand(2, -1, -1), shares) < 0.3  # a linear classifier has 0.69

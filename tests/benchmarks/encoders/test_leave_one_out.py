"""The votes on the left-out question, and only these, are absent from the training data."""

from __future__ import annotations

import torch

from backend.lvm.pretraining.dataset import PretrainDataset
from benchmarks.encoders.leave_one_out import LEFT_OUT, drop_questions


def test_only_the_votes_on_the_left_out_question_are_dropped() -> None:
    answers = ("t03_bar/a06_bar", "t03_bar/a07_no_bar", "t06_odd/a14_yes", "sim_bar/yes")
    votes = torch.tensor([[0.2, 0.5, 0.1, 0.0]])
    dataset = PretrainDataset(torch.zeros(1, 3, 8, 8, dtype=torch.uint8), ("a",), answers, votes, ())
    rest = drop_questions(dataset, ["bar"])
    assert rest.answers == ("t06_odd/a14_yes", "sim_bar/yes")
    assert torch.equal(rest.votes, votes[:, 2:])
    assert drop_questions(dataset, ["arm number"]).answers == answers
    assert drop_questions(dataset, LEFT_OUT).answers == ("sim_bar/yes",)
    assert set(LEFT_OUT) == {"bar", "arm number", "bulge", "ring", "odd", "roundness"}

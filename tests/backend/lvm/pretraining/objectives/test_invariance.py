"""Invariance: the loss is low for augmentations with equal embeddings, and high if all galaxies have the same embedding."""

from __future__ import annotations

import pytest
import torch

pytest.importorskip("lightly", reason="pre-training needs the extra galaxyloop[pretrain]")

from backend.lvm.pretraining.objectives.invariance import Invariance


def test_similar_augmentations_have_a_lower_loss() -> None:
    torch.manual_seed(0)
    objective, first, second = Invariance(8), torch.randn(64, 8), torch.randn(64, 8)
    assert objective(torch.stack([first, first])) < objective(torch.stack([first, second]))


@pytest.mark.slow
def test_equal_embeddings_of_all_galaxies_have_a_high_loss() -> None:
    torch.manual_seed(0)
    objective = Invariance(8)
    galaxies = torch.randn(64, 8)
    for _ in range(200):  # the projections become Gaussian, as in training
        optimizer = torch.optim.SGD(objective.parameters(), lr=0.05)
        optimizer.zero_grad()
        objective(torch.stack([galaxies, galaxies])).backward()
        optimizer.step()
    equal_embeddings = torch.zeros(2, 64, 8)
    assert objective(torch.stack([galaxies, galaxies])) < objective(equal_embeddings)

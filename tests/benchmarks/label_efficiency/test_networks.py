"""Networks from scratch: the same recipe for all, reproducible, and with a decreasing error."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from benchmarks.label_efficiency.networks import Recipe, Trained, build_resnet18, steps_for, train

SIDE = 16


class Brightness(nn.Module):
    """A network of one number, instead of one that trains for minutes."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.mean(dim=(1, 2, 3)).unsqueeze(1) * 4 - 2


def small() -> nn.Sequential:
    return nn.Sequential(Brightness(), nn.Linear(1, 3))


@pytest.fixture
def galaxies() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return dark galaxies of class 0, bright ones of class 1, none of class 2."""
    labels = np.arange(20) % 2
    frames = np.where(labels[:, None, None, None] == 1, 200, 40) * np.ones((1, SIDE, SIDE, 3))
    return frames.astype(np.uint8), labels


def test_more_labels_get_more_steps() -> None:
    assert [steps_for(labels) for labels in (10, 100, 1000, 2984)] == sorted({steps_for(n) for n in (10, 100, 1000, 2984)})


def test_a_network_learns_a_visible_difference(galaxies: tuple[NDArray[np.uint8], NDArray[np.int64]]) -> None:
    frames, labels = galaxies
    probabilities = train(small, frames, labels, recipe=Recipe(0.1), seed=0).predict(frames)
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(20))
    assert (probabilities.argmax(axis=1) == labels).all()


def test_the_same_seed_gives_the_same_network(galaxies: tuple[NDArray[np.uint8], NDArray[np.int64]]) -> None:
    first, second = (train(small, *galaxies, recipe=Recipe(0.1), seed=3).predict(galaxies[0]) for _ in range(2))
    assert (first == second).all()


def test_predictions_do_not_depend_on_the_orientation() -> None:
    network = Trained(build_resnet18(4).eval(), torch.zeros(4), bfloat16=False)
    frames = np.random.default_rng(0).integers(0, 255, size=(4, 32, 32, 3), dtype=np.uint8)
    assert network.predict(frames) == pytest.approx(network.predict(np.rot90(frames, axes=(1, 2)).copy()), abs=1e-4)

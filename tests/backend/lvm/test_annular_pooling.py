"""Annular pooling gives the mean of a feature map by distance from its centre."""

from __future__ import annotations

import pytest
import torch

from backend.lvm.annular_pooling import pool_annuli


def test_each_annulus_has_the_mean_of_its_cells() -> None:
    level = torch.zeros(1, 2, 4, 4)
    level[0, 0, 1:3, 1:3] = 8
    level[0, 1] = 3
    # Of 4 x 4 cells, four are nearer to the centre than half the side, and eight more lie within the circle.
    assert pool_annuli(level, 2).tolist() == [[8, 3, 0, 3]]


def test_corners_are_in_no_annulus() -> None:
    level = torch.zeros(1, 1, 6, 6)
    level[..., 0, 0] = level[..., -1, -1] = 1
    assert pool_annuli(level, 3).tolist() == [[0, 0, 0]]


@pytest.mark.parametrize(("side", "count"), [(24, 5), (12, 4), (6, 3)])
def test_a_turned_or_mirrored_map_has_the_same_means(side: int, count: int) -> None:
    level = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    means = pool_annuli(level, count)
    assert means.shape == (2, 3 * count)
    for other in (torch.rot90(level, 1, (2, 3)), level.flip(3)):
        assert torch.allclose(pool_annuli(other, count), means, atol=1e-6)

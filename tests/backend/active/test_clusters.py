"""Clusters of galaxies."""

from __future__ import annotations

import numpy as np
import pytest

from backend.active.clusters import find_clusters


def test_groups_that_are_far_apart_are_found() -> None:
    source = np.random.default_rng(0)
    groups = np.repeat(np.arange(4), 20)
    features = (10 * np.eye(4)[groups] + 0.1 * source.standard_normal((80, 4))).astype(np.float32)
    clusters, centres = find_clusters(features, 4, source)
    assert len({(group, cluster) for group, cluster in zip(groups.tolist(), clusters.tolist(), strict=True)}) == 4
    for group in range(4):
        members = features[groups == group]
        assert np.abs(centres - members.mean(axis=0)).sum(axis=1).min() < 1e-4


@pytest.mark.parametrize("count", [0, 1, 5])
def test_copies_need_no_clusters_of_their_own(count: int) -> None:
    clusters, centres = find_clusters(np.ones((5, 3), np.float32), count, np.random.default_rng(0))
    assert clusters.shape == (5,)
    assert centres.shape == (count, 3)
    assert np.isfinite(centres).all()

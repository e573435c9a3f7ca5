"""Order by interest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from backend.active.expected_improvement import select
from backend.active.pool import Pool


def on_a_circle(degrees: list[float]) -> np.ndarray:
    angles = np.radians(degrees)
    return np.column_stack([np.cos(angles), np.sin(angles)]).astype(np.float32)


def make_pool(open_at: list[float], rated_at: list[float], ratings: list[float]) -> Pool:
    features = on_a_circle(open_at)
    none = np.zeros((len(features), 0), np.float32)
    pool = Pool(features, on_a_circle(rated_at), none, np.zeros(len(features), np.float32))
    return replace(pool, ratings=np.array(ratings, np.float32))


def test_galaxies_near_the_most_interesting_one_come_first() -> None:
    ratings = [0.0, 20, 40, 60, 80, 100, 120, 140, 160, 180]
    pool = make_pool([10, 50, 90, 130, 170], ratings, [1, 1, 1, 1, 2, 3, 5, 4, 2, 1])
    assert select(pool, 1, np.random.default_rng(0)).tolist() == [3]


def test_a_galaxy_unlike_all_rated_ones_comes_before_one_rated_low() -> None:
    pool = make_pool([5, 180], [0, 10, 20, 30, 350], [1, 2, 1, 2, 1])
    assert select(pool, 2, np.random.default_rng(0)).tolist() == [1, 0]


def test_equal_ratings_give_an_order() -> None:
    pool = make_pool([0, 90, 180], [10, 20, 30], [3, 3, 3])
    assert sorted(select(pool, 3, np.random.default_rng(0)).tolist()) == [0, 1, 2]


def test_without_ratings_the_batch_is_typical() -> None:
    pool = make_pool([0, 1, 2, 90], [200], [np.nan])
    assert int(select(pool, 1, np.random.default_rng(0))[0]) in (0, 1, 2)

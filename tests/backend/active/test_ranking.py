"""Query strategies: what each selects on small pools whose answer is known, and on any pool."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.active.pool import Pool, reduce_embeddings
from backend.active.ranking import STRATEGIES, select_batch


def make_pool(count: int, *, label_count: int = 0, classes: int = 3, seed: int = 0) -> Pool:
    source = np.random.default_rng(seed)
    embeddings = source.standard_normal((count, 8)).astype(np.float32)
    features, others = reduce_embeddings(embeddings, source.standard_normal((label_count, 8)).astype(np.float32))
    probabilities = (
        source.dirichlet(np.ones(classes), count).astype(np.float32) if classes else np.zeros((count, 0), np.float32)
    )
    weights = source.standard_normal((8, max(classes, 1))).astype(np.float32)
    information = source.random(count).astype(np.float32) if classes else np.zeros(count, np.float32)
    return Pool(features, others, probabilities, information, embeddings, lambda rows, _: np.asarray(rows @ weights))


def clusters(sizes: list[int]) -> Pool:
    """Galaxies in groups that are far apart, in the order of the groups."""
    source = np.random.default_rng(0)
    features = np.concatenate([np.eye(len(sizes))[[group] * size] for group, size in enumerate(sizes)])
    features = (features + 0.02 * source.standard_normal(features.shape)).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    count = len(features)
    return Pool(features, features[:0], np.full((count, 2), 0.5, np.float32), np.ones(count, np.float32))


def select(pool: Pool, strategy: str, count: int, *, seed: int = 0) -> np.ndarray:
    return select_batch(pool, strategy, count, source=np.random.default_rng(seed))


def groups_of(pool: Pool, indices: np.ndarray) -> list[int]:
    return [int(pool.features[index].argmax()) for index in indices]


@pytest.mark.parametrize("strategy", STRATEGIES)
@given(count=st.integers(0, 40), label_count=st.integers(0, 5), classes=st.sampled_from([0, 2, 3]), batch=st.integers(1, 12))
def test_a_batch_has_galaxies_of_the_pool_once(strategy: str, count: int, label_count: int, classes: int, batch: int) -> None:
    choice = select(make_pool(count, label_count=label_count, classes=classes), strategy, batch).tolist()
    assert len(set(choice)) == len(choice) <= batch
    assert set(choice) <= set(range(count))
    assert choice or not count or label_count


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_same_seed_gives_the_same_order(strategy: str) -> None:
    pool = make_pool(50, label_count=4)
    assert select(pool, strategy, 10, seed=3).tolist() == select(pool, strategy, 10, seed=3).tolist()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_near_copies_are_not_in_one_batch(strategy: str) -> None:
    pool = make_pool(60)
    twice = replace(
        pool,
        features=np.concatenate([pool.features, pool.features]),
        probabilities=np.concatenate([pool.probabilities, pool.probabilities]),
        information=np.concatenate([pool.information, pool.information]),
        embeddings=np.concatenate([pool.embeddings, pool.embeddings]),
    )
    batch = select(twice, strategy, 10)
    assert len({index % 60 for index in batch.tolist()}) == 10


@pytest.mark.parametrize(("strategy", "first"), [("margin", 1), ("entropy", 2), ("bald", 0)])
def test_uncertainty_selects_by_its_measure(strategy: str, first: int) -> None:
    probabilities = np.array([[0.8, 0.1, 0.1], [0.49, 0.49, 0.02], [0.4, 0.3, 0.3]], np.float32)
    pool = Pool(np.eye(3, dtype=np.float32), np.zeros((0, 3), np.float32), probabilities, np.array([0.3, 0.1, 0.2], np.float32))
    assert select(pool, strategy, 1)[0] == first


@pytest.mark.parametrize("strategy", ["kmeans", "typiclust", "herding", "coreset"])
def test_a_first_batch_takes_one_galaxy_of_each_cluster(strategy: str) -> None:
    pool = clusters([30, 20, 10])
    assert sorted(groups_of(pool, select(pool, strategy, 3))) == [0, 1, 2]


@pytest.mark.parametrize("strategy", ["typiclust", "herding", "coreset"])
def test_a_cluster_with_a_label_waits_for_those_without(strategy: str) -> None:
    pool = clusters([30, 20, 10])
    pool = replace(pool, labelled_features=pool.features[:1])
    assert 0 not in groups_of(pool, select(pool, strategy, 2))


def test_herding_prefers_the_uncertain_cluster() -> None:
    pool = clusters([30, 20, 10])
    information = np.where(pool.features.argmax(axis=1) == 2, 1.0, 0.01).astype(np.float32)
    assert groups_of(pool, select(replace(pool, information=information), "herding", 1)) == [2]


def test_badge_selects_different_errors_first() -> None:
    pool = clusters([10, 10])
    probabilities = np.where(pool.features.argmax(axis=1)[:, None] == 0, [0.5, 0.5], [0.99, 0.01]).astype(np.float32)
    assert groups_of(pool, select(replace(pool, probabilities=probabilities), "badge", 1)) == [0]


def test_an_unknown_strategy_is_named() -> None:
    with pytest.raises(ValueError, match="unknown query strategy 'best': choose random, margin"):
        select(make_pool(3), "best", 1)


def test_equal_embeddings_are_reduced_to_finite_features() -> None:
    features, label_count = reduce_embeddings(np.ones((5, 4), np.float32), np.ones((2, 4), np.float32))
    assert np.isfinite(features).all()
    assert features.shape == (5, 1)
    assert label_count.shape == (2, 1)

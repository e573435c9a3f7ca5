"""Queries: each label is queried once, counted, and selected by the strategy from the labels so far."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.label_efficiency.frozen import by_confidence, fit_and_predict, queries

RUNGS = (10, 20, 35, 200)


@pytest.fixture
def pool() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return four clusters, the last one rare."""
    generator = np.random.default_rng(0)
    labels = generator.choice(4, size=200, p=[0.6, 0.2, 0.15, 0.05])
    centres = generator.normal(size=(4, 8)) * 2
    return (centres[labels] + generator.normal(size=(200, 8))).astype(np.float32), labels


def ask(pool: tuple[NDArray[np.float32], NDArray[np.int64]], rungs: tuple[int, ...]) -> dict[int, NDArray[np.int64]]:
    order = np.random.default_rng(1).permutation(200)
    return dict(queries(*pool, order=order, rungs=rungs, rank=by_confidence))


def test_each_rung_has_its_number_of_different_galaxies(pool: tuple[NDArray[np.float32], NDArray[np.int64]]) -> None:
    assert {rung: len(set(indices)) for rung, indices in ask(pool, RUNGS).items()} == {rung: rung for rung in RUNGS}


@pytest.mark.slow
def test_a_higher_rung_contains_the_lower_ones(pool: tuple[NDArray[np.float32], NDArray[np.int64]]) -> None:
    queries = ask(pool, RUNGS)
    assert (queries[35][:20] == queries[20]).all()


@pytest.mark.slow
def test_the_first_ten_are_drawn_at_random(pool: tuple[NDArray[np.float32], NDArray[np.int64]]) -> None:
    assert (ask(pool, RUNGS)[10] == np.random.default_rng(1).permutation(200)[:10]).all()


@pytest.mark.slow
def test_fewer_rungs_do_not_change_the_remaining_ones(pool: tuple[NDArray[np.float32], NDArray[np.int64]]) -> None:
    assert (ask(pool, (35,))[35] == ask(pool, RUNGS)[35]).all()


def test_labels_of_galaxies_that_were_not_queried_are_not_read(pool: tuple[NDArray[np.float32], NDArray[np.int64]]) -> None:
    embeddings, labels = pool
    queries = ask(pool, (35,))[35]
    constant_labels = np.full_like(labels, 3)
    constant_labels[queries] = labels[queries]
    assert (ask((embeddings, constant_labels), (35,))[35] == queries).all()


def test_galaxies_are_drawn_at_random_while_all_labels_are_equal(
    pool: tuple[NDArray[np.float32], NDArray[np.int64]],
) -> None:
    embeddings, labels = pool
    assert (ask((embeddings, np.zeros_like(labels)), (20,))[20] == np.random.default_rng(1).permutation(200)[:20]).all()


def test_equal_labels_give_equal_probabilities() -> None:
    probabilities = fit_and_predict(np.eye(10, 8, dtype=np.float32), np.zeros(10, np.int64), np.ones((3, 8), np.float32))
    assert (probabilities == 0.25).all()

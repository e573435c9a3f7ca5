"""Cross-validation: folds of equal size, whole groups, every class in as many folds as possible."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.loop.training.cross_validation import Plan, deal_folds, plan_of_classes, plan_of_objects

images = st.lists(st.tuples(st.integers(0, 15), st.sampled_from("abc")), min_size=1, max_size=60)


@given(images, st.integers(2, 10), st.integers(0, 3))
def test_a_group_is_dealt_as_a_whole_and_folds_are_alike(some: list[tuple[int, str]], folds: int, seed: int) -> None:
    groups, strata = zip(*some, strict=True)
    fold = deal_folds(groups, strata, folds=folds, seed=seed)
    of_group = {group: set(fold[[one == group for one in groups]]) for group in groups}
    assert all(len(one) == 1 for one in of_group.values())
    sizes = Counter(next(iter(one)) for one in of_group.values())
    assert max(sizes.values()) - min(sizes[number] for number in range(folds)) <= 1


def test_every_class_is_in_as_many_folds_as_it_can_be() -> None:
    strata = ["rare"] * 3 + ["common"] * 17
    fold = deal_folds(range(20), strata, folds=5, seed=0)
    assert len(set(fold[:3].tolist())) == 3
    assert Counter(fold.tolist()) == dict.fromkeys(range(5), 4)


def test_another_seed_deals_otherwise() -> None:
    first, second = (deal_folds(range(20), ["a"] * 20, folds=5, seed=seed).tolist() for seed in (0, 1))
    assert first != second


@pytest.mark.parametrize(
    ("groups", "classes", "objects"),
    [
        (1, None, None),
        (8, Plan(8, 2), Plan(3, 1)),
        (15, Plan(10, 2), Plan(2, 1)),
        (40, Plan(5, 2), Plan(2, 1)),
        (200, Plan(5, 1), Plan(2, 1)),
    ],
)
def test_the_more_there_are_the_fewer_refits(groups: int, classes: Plan | None, objects: Plan | None) -> None:
    assert (plan_of_classes(groups), plan_of_objects(groups)) == (classes, objects)

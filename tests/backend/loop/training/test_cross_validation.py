"""Cross-validation: folds of equal size, whole groups, every class in as many folds as possible."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.loop.training.cross_validation import FoldPlan, assign_folds, plan_of_classes, plan_of_objects

images = st.lists(st.tuples(st.integers(0, 15), st.sampled_from("abc")), min_size=1, max_size=60)


@given(images, st.integers(2, 10), st.integers(0, 3))
def test_groups_are_not_divided_and_folds_have_equal_sizes(
    grouped_images: list[tuple[int, str]], folds: int, seed: int
) -> None:
    groups, strata = zip(*grouped_images, strict=True)
    fold = assign_folds(groups, strata, folds=folds, seed=seed)
    of_group = {group: set(fold[[other == group for other in groups]]) for group in groups}
    assert all(len(folds_of_group) == 1 for folds_of_group in of_group.values())
    sizes = Counter(next(iter(folds_of_group)) for folds_of_group in of_group.values())
    assert max(sizes.values()) - min(sizes[number] for number in range(folds)) <= 1


def test_a_rare_class_is_in_as_many_folds_as_possible() -> None:
    strata = ["rare"] * 3 + ["common"] * 17
    fold = assign_folds(range(20), strata, folds=5, seed=0)
    assert len(set(fold[:3].tolist())) == 3
    assert Counter(fold.tolist()) == dict.fromkeys(range(5), 4)


def test_another_seed_gives_other_folds() -> None:
    first, second = (assign_folds(range(20), ["a"] * 20, folds=5, seed=seed).tolist() for seed in (0, 1))
    assert first != second


@pytest.mark.parametrize(
    ("groups", "classes", "objects"),
    [
        (1, None, None),
        (8, FoldPlan(8, 2), FoldPlan(3, 1)),
        (15, FoldPlan(10, 2), FoldPlan(2, 1)),
        (40, FoldPlan(5, 2), FoldPlan(2, 1)),
        (200, FoldPlan(5, 1), FoldPlan(2, 1)),
    ],
)
def test_more_groups_need_fewer_refits(groups: int, classes: FoldPlan | None, objects: FoldPlan | None) -> None:
    assert (plan_of_classes(groups), plan_of_objects(groups)) == (classes, objects)

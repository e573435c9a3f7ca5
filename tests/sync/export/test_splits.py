"""Splits: shares, balance, seed, and no galaxy in two splits."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.export.splits import TaskPlace, parse_fractions, split_tasks

FRACTIONS = {"train": 0.8, "validation": 0.1, "test": 0.1}


def place(task: int, label: str = "", *, ra: float | None = None, dec: float = 0.0, radius: float = 30.0) -> TaskPlace:
    galaxies = np.zeros((0, 2)) if ra is None else np.array([[ra, dec]])
    return TaskPlace(task, label, f"image{task}.png", galaxies, None if ra is None else (ra, dec), radius)


def test_splits_have_the_same_shares_of_each_class() -> None:
    labels = ["Spiral"] * 500 + ["Smooth"] * 300 + ["Merger"] * 20
    splitting = split_tasks([place(n, label) for n, label in enumerate(labels)], FRACTIONS, seed=1)
    counts = Counter((label, splitting.split_of[n]) for n, label in enumerate(labels))
    for label, number in Counter(labels).items():
        assert [counts[label, split] for split in FRACTIONS] == pytest.approx(
            [share * number for share in FRACTIONS.values()], abs=1
        )


@pytest.mark.parametrize(("classes", "tasks"), [(40, 3), (200, 1)])
def test_rare_classes_are_in_every_split(classes: int, tasks: int) -> None:
    places = [place(number, f"class {number // tasks}") for number in range(classes * tasks)]
    splitting = split_tasks(places, FRACTIONS, seed=0)
    counts = Counter(splitting.split_of.values())
    assert [counts[split] for split in FRACTIONS] == pytest.approx([share * len(places) for share in FRACTIONS.values()], abs=1)


def test_splits_are_reproducible_by_the_seed() -> None:
    places = [place(n, "ab"[n % 2]) for n in range(100)]
    first, repeat, second = (split_tasks(places, FRACTIONS, seed=seed).split_of for seed in (1, 1, 2))
    assert first == repeat
    assert first != second


def test_cut_outs_of_the_same_galaxy_are_in_one_split() -> None:
    """Pairs 20 arcsec apart, also across ra 0: each image contains the other's centre."""
    starts = np.linspace(0, 359, 60)
    places = [place(2 * n + side, ra=(ra + side * 20 / 3600) % 360, dec=10) for n, ra in enumerate(starts) for side in (0, 1)]
    places += [place(1000, ra=359.9999, dec=-40), place(1001, ra=0.0001, dec=-40)]
    splitting = split_tasks(places, FRACTIONS, seed=0)
    assert splitting.groups == 61
    assert all(splitting.split_of[2 * n] == splitting.split_of[2 * n + 1] for n in range(60))
    assert splitting.split_of[1000] == splitting.split_of[1001]


def test_a_galaxy_at_the_border_of_another_image_links_both() -> None:
    """The annotated galaxy is 50 arcsec from its image's centre, and also on the other image."""
    first = TaskPlace(1, "", "a", np.array([[10.0, 50 / 3600]]), (10.0, 0.0), 60.0)
    second = TaskPlace(2, "", "b", np.array([[10.0, 100 / 3600]]), (10.0, 100 / 3600), 60.0)
    apart = TaskPlace(3, "", "c", np.array([[10.0, 300 / 3600]]), (10.0, 300 / 3600), 60.0)
    splitting = split_tasks([first, second, apart], {"train": 0.5, "test": 0.5}, seed=0)
    assert splitting.groups == 2
    assert splitting.split_of[1] == splitting.split_of[2] != splitting.split_of[3]


def test_tasks_of_the_same_file_are_in_one_split() -> None:
    places = [TaskPlace(n, "", f"image{n // 2}.png", np.zeros((0, 2)), None, 0.0) for n in range(40)]
    splitting = split_tasks(places, FRACTIONS, seed=0)
    assert splitting.groups == 20
    assert all(splitting.split_of[n] == splitting.split_of[n + 1] for n in range(0, 40, 2))


def test_files_of_the_same_content_are_in_one_split() -> None:
    nowhere = np.zeros((0, 2))
    places = [TaskPlace(n, "", f"{n:08x}-image.png", nowhere, None, 0.0, content=f"hash {n // 2}") for n in range(40)]
    splitting = split_tasks(places, FRACTIONS, seed=0)
    assert splitting.groups == 20
    assert all(splitting.split_of[n] == splitting.split_of[n + 1] for n in range(0, 40, 2))


def test_files_of_one_name_and_unknown_content_are_not_linked() -> None:
    nowhere = np.zeros((0, 2))
    places = [TaskPlace(n, "", f"/data/upload/1/{n:08x}-image.png", nowhere, None, 0.0) for n in range(4)]
    assert split_tasks(places, FRACTIONS, seed=0).groups == 4


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 359.99), st.floats(-89, 89), st.sampled_from("ab")), min_size=1, max_size=40),
    st.integers(0, 5),
)
def test_no_galaxy_is_in_two_splits(tasks: list[tuple[float, float, str]], seed: int) -> None:
    # A small range of positions, so that there are neighbours.
    places = [place(n, label, ra=ra / 300, dec=dec / 300, radius=200) for n, (ra, dec, label) in enumerate(tasks)]
    splitting = split_tasks(places, FRACTIONS, seed=seed)
    assert set(splitting.split_of) == set(range(len(tasks)))
    for first in places:
        for second in places:
            assert first.centre is not None
            assert second.centre is not None
            apart = np.hypot(
                (first.centre[0] - second.centre[0]) * np.cos(np.radians(first.centre[1])), first.centre[1] - second.centre[1]
            )
            if apart * 3600 < 199:
                assert splitting.split_of[first.task] == splitting.split_of[second.task]


def test_fractions_are_read() -> None:
    assert parse_fractions("0.8,0.1,0.1") == FRACTIONS
    assert parse_fractions("0.75, 0.25") == {"train": 0.75, "test": 0.25}


@pytest.mark.parametrize("text", ["", "1", "0.8,0.1", "0.5,0.5,0", "a,b", "0.9,-0.1,0.2", "0.25,0.25,0.25,0.25", "nan,0.5,0.5"])
def test_fractions_that_do_not_add_up_are_rejected(text: str) -> None:
    with pytest.raises(ValueError, match="add up to 1"):
        parse_fractions(text)

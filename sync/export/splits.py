"""Splits: train, validation and test, stratified by class, reproducible by a seed, and with no galaxy in two splits.

Two tasks are linked if a galaxy that is annotated on one lies on the image of the other, or if both show the same file, by its
reference or by its content; the images of one task are linked too. The module assigns whole groups of linked tasks to splits.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

__all__ = ["SAME_GALAXY_ARCSEC", "SPLIT_NAMES", "Splitting", "TaskPlace", "link_tasks", "parse_fractions", "split_tasks"]

SPLIT_NAMES = ("train", "validation", "test")
SAME_GALAXY_ARCSEC = 5.0
"""Smallest radius of an image on the sky, also used if its size is unknown: positions within it count as the same galaxy."""


@dataclass(frozen=True, slots=True, eq=False)
class TaskPlace:
    """Class, file and sky position of a task, for the splits.

    Attributes
    ----------
    task : int
        Number of the task.
    label : str
        Class for the stratification.
    reference : str
        Reference of the image.
    galaxies : ndarray, shape (n, 2)
        Right ascension and declination of the annotated galaxies, degrees; n is 0 if no position is known.
    centre : (ra, dec) or None
        Centre of the image, degrees.
    radius_arcsec : float
        Distance from the centre to the farthest corner; 0 if unknown.
    content : str
        Identifier of the file's content, independent of its name; empty if the file was not read.
    """

    task: int
    label: str
    reference: str
    galaxies: NDArray[np.float64]
    centre: tuple[float, float] | None
    radius_arcsec: float
    content: str = ""


@dataclass(frozen=True, slots=True)
class Splitting:
    """Assignment of tasks to splits.

    Attributes
    ----------
    split_of : dict
        Maps the number of a task to the name of its split.
    groups, largest : int
        Number of groups of linked tasks, and number of tasks in the largest group.
    located_tasks : int
        Number of tasks whose sky position is known.
    """

    split_of: dict[int, str]
    groups: int
    largest: int
    located_tasks: int


def parse_fractions(text: str) -> dict[str, float]:
    """Parse `0.8,0.1,0.1` (train, validation, test) or `0.8,0.2` (train, test).

    Returns
    -------
    dict
        Maps the name of a split to its share of the tasks.

    Raises
    ------
    ValueError
        If `text` is not two or three numbers above 0 that add up to 1.
    """
    try:
        fractions = [float(part) for part in text.split(",")]
    except ValueError:
        fractions = []
    if len(fractions) not in (2, 3) or not all(0 < part < 1 for part in fractions) or abs(sum(fractions) - 1) > 1e-6:
        raise ValueError(f"a split is two or three numbers above 0 that add up to 1, such as 0.8,0.1,0.1, not {text!r}")
    names = SPLIT_NAMES if len(fractions) == 3 else (SPLIT_NAMES[0], SPLIT_NAMES[2])
    return dict(zip(names, fractions, strict=True))


def split_tasks(places: Sequence[TaskPlace], fractions: dict[str, float], *, seed: int) -> Splitting:
    """Assign tasks to splits, group by group.

    Parameters
    ----------
    places : sequence of TaskPlace
    fractions : dict
        Maps the name of a split to its share of the tasks.
    seed : int
        The same seed gives the same splits of the same tasks.
    """
    labels = _groups(places)
    members: dict[int, list[TaskPlace]] = defaultdict(list)
    for place, label in zip(places, labels.tolist(), strict=True):
        members[label].append(place)
    groups = list(members.values())
    order = np.random.default_rng(seed).permutation(len(groups))
    # Large groups first, so that the small groups balance the splits.
    shuffled_groups = sorted((groups[place] for place in order), key=len, reverse=True)
    strata: dict[str, Counter[str]] = defaultdict(Counter)
    total: Counter[str] = Counter()
    split_of = {}
    for group in shuffled_groups:
        side = _side(Counter(place.label for place in group), strata, total, fractions)
        for place in group:
            strata[place.label][side] += 1
            total[side] += 1
            split_of[place.task] = side
    located_tasks = sum(place.centre is not None for place in places)
    return Splitting(split_of, len(groups), max(map(len, groups), default=0), located_tasks)


def _side(group: Counter[str], strata: dict[str, Counter[str]], total: Counter[str], fractions: dict[str, float]) -> str:
    """Return the split with the largest deficit: of the group's classes, and of all tasks.

    The deficit of all tasks is necessary. By classes alone, each class starts in the largest split, and a class with few tasks
    stays there: of 40 classes with three tasks each, validation and test would get none.
    """
    size = group.total()

    def lack(side: str) -> float:
        of_classes = sum(
            number * (fractions[side] * (strata[label].total() + number) - strata[label][side])
            for label, number in group.items()
        )
        of_all = fractions[side] * (total.total() + size) - total[side]
        return round(of_classes / size + of_all, 9)  # rounded so that ties are the same on every machine

    return max(fractions, key=lack)


def _groups(places: Sequence[TaskPlace]) -> NDArray[np.int32]:
    """Return the group number of each task, shape (n,)."""
    rows, columns = np.array(link_tasks(places), dtype=np.int64).reshape(-1, 2).T
    graph = coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(places), len(places)))
    labels: NDArray[np.int32] = connected_components(graph, directed=False)[1]
    return labels


def link_tasks(places: Sequence[TaskPlace]) -> list[tuple[int, int]]:
    """Return the linked tasks as pairs of indices in `places`, in any order and possibly with duplicates."""
    links: list[tuple[int, int]] = []
    first: dict[tuple[str, str], int] = {}
    for number, place in enumerate(places):
        # Label Studio gives a file that is uploaded twice two names: only the content identifies it.
        for key in (("task", str(place.task)), ("reference", place.reference), ("content", place.content)):
            if key[1]:
                links.append((number, first.setdefault(key, number)))
    located_tasks = [number for number, place in enumerate(places) if place.centre is not None]
    owners = [number for number in located_tasks for _ in range(len(places[number].galaxies))]
    if owners:
        galaxies = _vectors(np.concatenate([places[number].galaxies for number in located_tasks]))
        centres = _vectors(np.array([places[number].centre for number in located_tasks]))
        radii = np.array([max(places[number].radius_arcsec, SAME_GALAXY_ARCSEC) for number in located_tasks])
        chords = 2 * np.sin(np.minimum(np.radians(radii / 3600), np.pi) / 2)
        for number, neighbours in zip(located_tasks, cKDTree(galaxies).query_ball_point(centres, chords), strict=True):
            links += [(number, owners[galaxy]) for galaxy in neighbours]
    return links


def _vectors(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convert (ra, dec) in degrees, shape (n, 2), to unit vectors, shape (n, 3)."""
    ra, dec = np.radians(places).T
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=1)

"""Which objects of several annotators are one and the same: by overlap for shapes, by distance for points."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np
from scipy.optimize import linear_sum_assignment

from sync.export.pairing import LEAST_OVERLAP, SAME_OVERLAP, overlapping
from sync.export.records import DrawnObject, Statement
from sync.geometry.corners import box_corners
from sync.geometry.footprint import Footprint
from sync.geometry.overlap import box_overlap, footprint_overlap
from sync.geometry.shapes import Box, Point

__all__ = ["SAME_OVERLAP", "SAME_POINT_PX", "Cluster", "cluster_objects", "match", "overlap"]

SAME_POINT_PX = 5.0
"""Distance up to which two points are the same object."""

Cluster = dict[int, DrawnObject]
"""The same object as several statements have it: place of the statement to its object."""


def cluster_objects(statements: Sequence[Statement], control: str) -> list[Cluster]:
    """Gather the objects of one control over all statements of a task.

    One statement after another is matched, one to one and at the largest total overlap, to the objects found so far, each of
    which is represented by its first member.
    """
    clusters: list[Cluster] = []
    for place, statement in enumerate(statements):
        objects = [one for one in statement.objects if one.control == control]
        firsts = [next(iter(cluster.values())) for cluster in clusters]
        matched = {mine: theirs for mine, theirs, _ in match(objects, firsts)}
        for number, one in enumerate(objects):
            if number in matched:
                clusters[matched[number]][place] = one
            else:
                clusters.append({place: one})
    return clusters


def match(ones: Sequence[DrawnObject], others: Sequence[DrawnObject]) -> list[tuple[int, int, float]]:
    """Pair objects one to one; each pair with its overlap, at least `SAME_OVERLAP`."""
    if not ones or not others:
        return []
    table = np.zeros((len(ones), len(others)))
    for row, column in _near(ones, others):
        table[row, column] = overlap(ones[row], others[column])
    # What is no match must not be paired for the sake of the total either.
    rows, columns = linear_sum_assignment(np.where(table >= SAME_OVERLAP, -table, 0))
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return [(row, column, float(table[row, column])) for row, column in pairs if table[row, column] >= SAME_OVERLAP]


def _near(ones: Sequence[DrawnObject], others: Sequence[DrawnObject]) -> Iterator[tuple[int, int]]:
    """Yield the pairs of places that may overlap: shapes whose boxes do, and all points."""
    points, other_points = ([n for n, one in enumerate(each) if one.kind == "keypoint"] for each in (ones, others))
    yield from product(points, other_points)
    shapes, other_shapes = ([n for n, one in enumerate(each) if one.kind != "keypoint"] for each in (ones, others))
    pairs = overlapping([ones[n] for n in shapes], [others[n] for n in other_shapes], least=LEAST_OVERLAP)
    yield from ((shapes[row], other_shapes[column]) for row, column, _ in pairs)


def overlap(one: DrawnObject, other: DrawnObject) -> float:
    """Intersection over union of two objects; for points 1/2 at `SAME_POINT_PX` and 1 on top of each other."""
    first, second = one.shape, other.shape
    if isinstance(first, Point) or isinstance(second, Point):
        if not (isinstance(first, Point) and isinstance(second, Point)):
            return 0.0
        return max(0.0, 1 - math.hypot(first.x - second.x, first.y - second.y) / (2 * SAME_POINT_PX))
    if isinstance(first, Box) and isinstance(second, Box) and not (first.rotation or second.rotation):
        return box_overlap(first, second)
    return footprint_overlap(_pixels(one), _pixels(other))


def _pixels(one: DrawnObject) -> Footprint:
    footprint = one.footprint()
    if footprint is None:
        assert isinstance(one.shape, Box)
        footprint = Footprint.of_polygon(box_corners(one.shape), one.size)
    return footprint

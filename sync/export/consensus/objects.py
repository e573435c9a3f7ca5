"""Matching of the objects of several annotators: by overlap for shapes, by distance for points."""

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
"""Distance up to which two points count as the same object, pixels."""

Cluster = dict[int, DrawnObject]
"""One object in several statements: maps the index of a statement to its object."""


def cluster_objects(statements: Sequence[Statement], control: str) -> list[Cluster]:
    """Cluster the objects of one control over all statements of a task.

    The function matches one statement after another, one to one with the largest total overlap, with the first members of the
    existing clusters. An object without a match starts a new cluster.
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
    """Match objects one to one, with the largest total overlap.

    Returns
    -------
    list of (int, int, float)
        Index in `ones`, index in `others`, and overlap, which is at least `SAME_OVERLAP`.
    """
    if not ones or not others:
        return []
    table = np.zeros((len(ones), len(others)))
    for row, column in _near(ones, others):
        table[row, column] = overlap(ones[row], others[column])
    # Overlaps below the limit count as 0, so that they do not influence the assignment.
    rows, columns = linear_sum_assignment(np.where(table >= SAME_OVERLAP, -table, 0))
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return [(row, column, float(table[row, column])) for row, column in pairs if table[row, column] >= SAME_OVERLAP]


def _near(ones: Sequence[DrawnObject], others: Sequence[DrawnObject]) -> Iterator[tuple[int, int]]:
    """Yield the index pairs that may overlap: all pairs of points, and shapes whose boxes overlap."""
    points, other_points = ([n for n, one in enumerate(each) if one.kind == "keypoint"] for each in (ones, others))
    yield from product(points, other_points)
    shapes, other_shapes = ([n for n, one in enumerate(each) if one.kind != "keypoint"] for each in (ones, others))
    pairs = overlapping([ones[n] for n in shapes], [others[n] for n in other_shapes], least=LEAST_OVERLAP)
    yield from ((shapes[row], other_shapes[column]) for row, column, _ in pairs)


def overlap(one: DrawnObject, other: DrawnObject) -> float:
    """Return the intersection over union of two objects.

    For two points: 1 at distance 0, 1/2 at `SAME_POINT_PX`, 0 from twice that distance. 0 for a point and another shape.
    """
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

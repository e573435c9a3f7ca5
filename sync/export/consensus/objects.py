"""Matching of the objects of several annotators: by overlap for shapes, by distance for points."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np
from scipy.optimize import linear_sum_assignment

from sync.export.drawn_objects import DrawnObject
from sync.export.pairing import LEAST_OVERLAP, SAME_OVERLAP, find_overlaps
from sync.export.records import ParsedAnnotation
from sync.geometry.corners import box_corners
from sync.geometry.footprint import Footprint
from sync.geometry.overlap import box_overlap, footprint_overlap
from sync.geometry.shapes import Box, Point

__all__ = ["SAME_OVERLAP", "SAME_POINT_PX", "Cluster", "cluster_objects", "match", "overlap"]

SAME_POINT_PX = 5.0
"""Distance up to which two points count as the same object, pixels."""

Cluster = dict[int, DrawnObject]
"""One object in several annotations: maps the index of an annotation to its object."""


def cluster_objects(annotations: Sequence[ParsedAnnotation], control: str) -> list[Cluster]:
    """Cluster the objects of one control over all annotations of a task.

    The function matches one annotation after another, one to one with the largest total overlap, with the first members of the
    existing clusters. An object without a match starts a new cluster.
    """
    clusters: list[Cluster] = []
    for place, annotation in enumerate(annotations):
        objects = [obj for obj in annotation.objects if obj.control == control]
        firsts = [next(iter(cluster.values())) for cluster in clusters]
        matches = {mine: theirs for mine, theirs, _ in match(objects, firsts)}
        for number, obj in enumerate(objects):
            if number in matches:
                clusters[matches[number]][place] = obj
            else:
                clusters.append({place: obj})
    return clusters


def match(first: Sequence[DrawnObject], second: Sequence[DrawnObject]) -> list[tuple[int, int, float]]:
    """Match objects one to one, with the largest total overlap.

    Returns
    -------
    list of (int, int, float)
        Index in `first`, index in `second`, and overlap, which is at least `SAME_OVERLAP`.
    """
    if not first or not second:
        return []
    table = np.zeros((len(first), len(second)))
    for row, column in _find_pairs(first, second):
        table[row, column] = overlap(first[row], second[column])
    # Overlaps below the limit count as 0, so that they do not influence the assignment.
    rows, columns = linear_sum_assignment(np.where(table >= SAME_OVERLAP, -table, 0))
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return [(row, column, float(table[row, column])) for row, column in pairs if table[row, column] >= SAME_OVERLAP]


def _find_pairs(first: Sequence[DrawnObject], second: Sequence[DrawnObject]) -> Iterator[tuple[int, int]]:
    """Yield the index pairs that may overlap: all pairs of points, and shapes whose boxes overlap."""
    points, other_points = ([n for n, obj in enumerate(each) if obj.kind == "keypoint"] for each in (first, second))
    yield from product(points, other_points)
    shapes, other_shapes = ([n for n, obj in enumerate(each) if obj.kind != "keypoint"] for each in (first, second))
    pairs = find_overlaps([first[n] for n in shapes], [second[n] for n in other_shapes], threshold=LEAST_OVERLAP)
    yield from ((shapes[row], other_shapes[column]) for row, column, _ in pairs)


def overlap(first: DrawnObject, second: DrawnObject) -> float:
    """Return the intersection over union of two objects.

    For two points: 1 at distance 0, 1/2 at `SAME_POINT_PX`, 0 from twice that distance. 0 for a point and another shape.
    """
    shape, other_shape = first.shape, second.shape
    if isinstance(shape, Point) or isinstance(other_shape, Point):
        if not (isinstance(shape, Point) and isinstance(other_shape, Point)):
            return 0.0
        return max(0.0, 1 - math.hypot(shape.x - other_shape.x, shape.y - other_shape.y) / (2 * SAME_POINT_PX))
    if isinstance(shape, Box) and isinstance(other_shape, Box) and not (shape.rotation or other_shape.rotation):
        return box_overlap(shape, other_shape)
    return footprint_overlap(_pixels(first), _pixels(second))


def _pixels(obj: DrawnObject) -> Footprint:
    footprint = obj.footprint()
    if footprint is None:
        assert isinstance(obj.shape, Box)
        footprint = Footprint.of_polygon(box_corners(obj.shape), obj.size)
    return footprint

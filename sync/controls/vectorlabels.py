"""`<VectorLabels>`: closed outlines of straight lines and Bézier curves.

A Bézier vertex has two control points: the first shapes the curve from the previous vertex, the second the curve to the next
vertex. If a curve has only one control point, the page places the other at 0.3 of the line (Label Studio 1.23.2).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sync.controls.control import Control
from sync.controls.kind import Kind
from sync.controls.polygonlabels import check_polygon
from sync.controls.region import (
    Region,
    any_size,
    as_number,
    new_region,
    points_off_image,
    read_labels,
    read_value,
    size_for,
    write_labels,
)
from sync.errors.controls import ControlError, quote
from sync.geometry.outlines import outline
from sync.geometry.shapes import MAX_CORNERS, Labelled, Mask, Polygon, Size

__all__ = ["KIND", "SHAPE", "TAG", "decode", "encode", "encode_mask", "faults", "readable_size"]

TAG = "VectorLabels"
KIND = Kind.OBJECTS
SHAPE = Polygon

CURVE_STEPS = 16
"""Line segments per curve; for a quarter circle they deviate by at most 1/800 of the radius."""
NEAR_END = 0.3
"""Distance from the vertex at which the page places a missing control point, as a fraction of the line."""


def encode(polygon: Polygon, *, control: Control, label: str, size: Size, score: float | None = None) -> Region:
    """Return the region of one outline of straight lines; corners outside the image are moved to its border.

    Raises
    ------
    ControlError
        If there are fewer than three corners, or one is not finite.
    """
    percent = check_polygon(polygon, size=size)
    vertices = [
        # The page closes a path if the first vertex names the last one as its predecessor.
        {"id": f"p{number}", "prevPointId": f"p{(number or len(percent)) - 1}", "x": x, "y": y, "isBezier": False}
        for number, (x, y) in enumerate(percent.tolist())
    ]
    value = {"vertices": vertices, "closed": True, "vectorlabels": write_labels([label], control)}
    return new_region(control, TAG, value, score=score, size=size)


def encode_mask(mask: Mask, *, control: Control, label: str, size: Size, score: float | None = None) -> list[Region]:
    """Return one region for each connected part of a mask, the largest first."""
    return [encode(polygon, control=control, label=label, size=size, score=score) for polygon in outline(mask)]


def decode(region: Region, *, size: Size | None = None) -> Labelled[Polygon]:
    """Return the outline of an annotation, with curves approximated by line segments.

    Raises
    ------
    ControlError
        If the path is open or branches, so that it encloses no area.
    """
    value = read_value(region, TAG)
    width, height = size_for(region, size)
    vertices = value.get("vertices")
    if not isinstance(vertices, list) or not 3 <= len(vertices) <= MAX_CORNERS:
        raise ControlError(f"a vector needs 3 to {MAX_CORNERS} vertices, not {quote(vertices)}")
    if value.get("closed") is not True:
        raise ControlError("the vector is open: only a closed outline marks an object")
    for vertex in vertices:
        if not isinstance(vertex, Mapping):
            raise ControlError(f"a vertex must be an object with x and y, not {quote(vertex)}")
    previous_ids = [str(vertex["prevPointId"]) for vertex in vertices if vertex.get("prevPointId") is not None]
    if len(set(previous_ids)) < len(previous_ids):
        raise ControlError("the vector branches: only one closed outline marks an object")
    lines = [_line(start, end) for start, end in zip(vertices, [*vertices[1:], vertices[0]], strict=True)]
    points = np.concatenate(lines) * (width, height) / 100
    return Labelled(shape=Polygon(points), labels=read_labels(value, TAG), size=(width, height))


def faults(value: Mapping[str, Any], control: Control) -> Iterator[str]:
    """Yield a fault for each vertex outside the image."""
    yield from points_off_image((vertex["x"], vertex["y"]) for vertex in value["vertices"])


readable_size = any_size


def _line(start: Mapping[str, Any], end: Mapping[str, Any]) -> NDArray[np.float64]:
    """Return the points from a vertex to the next one, which is excluded, shape (n, 2), percent."""
    first, last = _point(start), _point(end)
    leaving, arriving = _control_point(start, "controlPoint2"), _control_point(end, "controlPoint1")
    if leaving is None and arriving is None:
        return first[None]
    leaving = first + NEAR_END * (last - first) if leaving is None else leaving
    arriving = last - NEAR_END * (last - first) if arriving is None else arriving
    t = np.arange(CURVE_STEPS)[:, None] / CURVE_STEPS
    curve: NDArray[np.float64] = (
        (1 - t) ** 3 * first + 3 * (1 - t) ** 2 * t * leaving + 3 * (1 - t) * t**2 * arriving + t**3 * last
    )
    return curve


def _point(vertex: Mapping[str, Any]) -> NDArray[np.float64]:
    return np.array([as_number(vertex.get("x"), "x"), as_number(vertex.get("y"), "y")])


def _control_point(vertex: Mapping[str, Any], key: str) -> NDArray[np.float64] | None:
    control_point = vertex.get(key)
    return _point(control_point) if vertex.get("isBezier") and isinstance(control_point, Mapping) else None

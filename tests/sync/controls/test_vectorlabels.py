from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sync.controls import vectorlabels
from sync.controls.control import Control, Label
from sync.errors.controls import ControlError
from sync.geometry.raster import rasterise
from sync.geometry.shapes import Polygon

CONTROL = Control(name="v", to_name="image", tag="VectorLabels", labels=(Label("Galaxy"),))
SIZE = (200, 100)
KAPPA = 4 / 3 * (np.sqrt(2) - 1)
"""Length of the control lines of a quarter circle, in radii."""


def encode(points: Any) -> dict[str, Any]:
    return vectorlabels.encode(Polygon(np.asarray(points, np.float64)), control=CONTROL, label="Galaxy", size=SIZE, score=0.5)


def region(*vertices: Any, is_closed: object = True) -> dict[str, Any]:
    region = encode([(0, 0), (1, 0), (1, 1)])
    region["value"] |= {"vertices": list(vertices), "closed": is_closed}
    return region


def circle() -> list[dict[str, Any]]:
    """Return four Bézier points on a circle of radius 20 pixels about (100, 50), in percent."""
    percent = np.array([100 / SIZE[0], 100 / SIZE[1]])

    def place(point: NDArray[np.float64]) -> dict[str, float]:
        x, y = (point * percent).tolist()
        return {"x": x, "y": y}

    vertices = []
    for turn in range(4):
        angle = turn * np.pi / 2
        out, along = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
        point = np.array([100, 50]) + 20 * out
        bends = {"controlPoint1": place(point - 20 * KAPPA * along), "controlPoint2": place(point + 20 * KAPPA * along)}
        vertices.append({"id": str(turn), **place(point), "isBezier": True, **bends})
    return vertices


@given(st.lists(st.tuples(st.floats(0, SIZE[0]), st.floats(0, SIZE[1])), min_size=3, max_size=12))
def test_an_outline_is_read_back_as_it_was_written(points: list[tuple[float, float]]) -> None:
    read = vectorlabels.decode(encode(points))
    assert read.shape.points == pytest.approx(np.array(points), abs=1e-9)
    assert (read.size, read.label) == (SIZE, "Galaxy")


def test_each_vertex_follows_one_other_so_that_the_page_closes_the_path() -> None:
    vertices = encode([(0, 0), (10, 0), (10, 10)])["value"]["vertices"]
    assert [vertex["prevPointId"] for vertex in vertices] == [vertices[-1]["id"], vertices[0]["id"], vertices[1]["id"]]


def test_a_circle_of_curves_has_the_area_of_a_circle() -> None:
    mask = rasterise(vectorlabels.decode(region(*circle())).shape, SIZE)
    assert mask.sum() == pytest.approx(np.pi * 20**2, rel=0.01)


def test_a_line_with_one_control_point_bends_as_on_the_page() -> None:
    first, second, third, fourth = ({"x": x, "y": y, "isBezier": False} for x, y in ((0, 0), (100, 0), (100, 100), (0, 100)))
    bent = {**first, "isBezier": True, "controlPoint2": {"x": 0, "y": 50}}
    points = vectorlabels.decode(region(bent, second, third, fourth)).shape.points
    # The missing control point is at 0.3 of the line from (0, 0) to (200, 0) before its end.
    assert points[8] == pytest.approx([0.375 * 140 + 0.125 * 200, 0.375 * 50])


@pytest.mark.parametrize(
    ("vertices", "is_closed", "sentence"),
    [
        ([{"x": 0, "y": 0}, {"x": 9, "y": 0}, {"x": 9, "y": 9}], False, "is open"),
        ([{"x": 0, "y": 0}, {"x": 9, "y": 0}], True, "3 to"),
        ([{"x": 0, "y": 0}, {"x": 9, "y": 0}, {"x": 9}], True, "y must be a number"),
        ([{"x": 0, "y": 0}, {"x": 9, "y": 0}, [9, 9]], True, "a vertex must be an object"),
        (
            [{"id": "a", "x": 0, "y": 0}, {"x": 9, "y": 0, "prevPointId": "a"}, {"x": 9, "y": 9, "prevPointId": "a"}],
            True,
            "branches",
        ),
    ],
)
def test_a_path_without_an_inside_is_refused(vertices: list[Any], is_closed: bool, sentence: str) -> None:
    with pytest.raises(ControlError, match=sentence):
        vectorlabels.decode(region(*vertices, is_closed=is_closed))


def test_each_part_of_a_mask_becomes_an_outline() -> None:
    mask = np.zeros((100, 200), dtype=np.bool_)
    mask[10:40, 10:60] = mask[60:90, 100:120] = True
    regions = vectorlabels.encode_mask(mask, control=CONTROL, label="Galaxy", size=SIZE)
    parts = [rasterise(vectorlabels.decode(region).shape, SIZE) for region in regions]
    assert [int(part.sum()) for part in parts] == pytest.approx([1500, 600], rel=0.05)
    assert (np.logical_or(*parts) == mask).mean() > 0.99

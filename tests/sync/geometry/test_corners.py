from __future__ import annotations

import pytest

from sync.geometry.corners import box_edges, ellipse_box, ellipse_corners, upright_box
from sync.geometry.shapes import Box, Ellipse


def test_a_rotated_box_counts_as_its_upright_box() -> None:
    assert box_edges([Box(10, 10, 4, 2, rotation=90)])[0] == pytest.approx([8, 10, 10, 14])
    assert upright_box(Box(1, 2, 3, 4)) == Box(1, 2, 3, 4)


def test_no_boxes_have_no_edges() -> None:
    assert box_edges([]).shape == (0, 4)


def test_the_box_of_an_ellipse_touches_its_corners() -> None:
    ellipse = Ellipse(50, 40, 20, 8, rotation=30)
    box, points = ellipse_box(ellipse), ellipse_corners(ellipse).points
    assert points.min(axis=0) == pytest.approx([box.x, box.y], abs=0.03)
    assert points.max(axis=0) == pytest.approx([box.x + box.width, box.y + box.height], abs=0.03)

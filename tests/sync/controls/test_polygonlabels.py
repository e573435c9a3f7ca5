from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray
from scipy import ndimage
from skimage.draw import polygon2mask
from skimage.measure import find_contours  # noqa: F401 - loaded before the deadline of an example

from sync.controls import polygonlabels
from sync.errors.controls import ControlError
from sync.geometry.outlines import outline
from sync.geometry.raster import rasterise
from sync.geometry.shapes import Polygon, Size
from sync.labelling.config import Control, Label

CONTROL = Control(name="p", to_name="image", tag="PolygonLabels", labels=(Label("Galaxy"),))
MASKS = npst.arrays(np.bool_, npst.array_shapes(min_dims=2, max_dims=2, max_side=24))


def encode(points: Any, size: Size = (200, 100)) -> dict[str, Any]:
    return polygonlabels.encode(Polygon(np.asarray(points)), control=CONTROL, label="Galaxy", size=size)


def smooth(seed: int, size: int = 64) -> NDArray[np.bool_]:
    noise = np.random.default_rng(seed).normal(size=(size, size))
    return np.asarray(ndimage.gaussian_filter(noise, 4) > 0.01)


def union(polygons: list[Polygon], mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    raster = np.zeros_like(mask)
    for polygon in polygons:
        raster |= rasterise(polygon, (mask.shape[1], mask.shape[0]))
    return raster


def winding_fill(polygon: Polygon, size: Size) -> NDArray[np.bool_]:
    """Return the pixels whose centre has a nonzero winding number, as a browser's canvas fills."""
    width, height = size
    points = polygon.points
    turns = np.zeros((height, width))
    y, x = np.mgrid[:height, :width] + 0.5
    for start, end in zip(points, np.roll(points, -1, axis=0), strict=True):
        side = (end[0] - start[0]) * (y - start[1]) - (x - start[0]) * (end[1] - start[1])
        turns += ((start[1] <= y) & (end[1] > y) & (side > 0)).astype(int)
        turns -= ((start[1] > y) & (end[1] <= y) & (side < 0)).astype(int)
    return np.asarray(turns != 0)


@given(MASKS)
def test_an_exact_outline_restores_the_mask(mask: NDArray[np.bool_]) -> None:
    assert (union(outline(mask, tolerance_px=0), mask) == mask).all()


@given(MASKS)
def test_there_is_one_polygon_for_every_part(mask: NDArray[np.bool_]) -> None:
    _, parts = ndimage.label(mask)
    assert len(outline(mask)) == parts


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("tolerance_px", [0.3, 0.5, 1.0, 2.0])
def test_only_pixels_near_the_border_change_with_a_tolerance(seed: int, tolerance_px: float) -> None:
    mask = np.pad(smooth(seed), 1)
    difference = union(outline(mask, tolerance_px=tolerance_px), mask) ^ mask
    to_border = np.where(mask, ndimage.distance_transform_edt(mask), ndimage.distance_transform_edt(~mask))
    # The outline is half-way to the next pixel, so a pixel's centre is half a pixel nearer to it than its neighbour's.
    assert (to_border[difference] <= tolerance_px + 0.5 * math.sqrt(2)).all()


@pytest.mark.parametrize("seed", range(5))
def test_the_default_tolerance_removes_most_corners(seed: int) -> None:
    mask = smooth(seed, size=128)
    fine, simple = outline(mask, tolerance_px=0), outline(mask)
    assert sum(len(polygon.points) for polygon in simple) < 0.6 * sum(len(polygon.points) for polygon in fine)
    assert (union(simple, mask) ^ mask).mean() < 0.01


def test_holes_are_not_filled() -> None:
    mask = np.zeros((40, 50), dtype=np.bool_)
    mask[3:36, 4:47] = True
    mask[8:15, 10:20] = mask[20:30, 25:28] = mask[9, 40] = False
    mask[11, 14] = True  # an island in a hole is a separate part
    outer, island = outline(mask, tolerance_px=0)
    expected = mask.copy()
    expected[11, 14] = False
    assert (rasterise(outer, (50, 40)) == expected).all()
    assert (winding_fill(outer, (50, 40)) == expected).all()
    assert rasterise(island, (50, 40)).sum() == 1


def test_the_largest_part_comes_first() -> None:
    mask = np.zeros((20, 20), dtype=np.bool_)
    mask[0, 0] = mask[5:15, 5:15] = True
    first, second = outline(mask)
    assert rasterise(first, (20, 20)).sum() > rasterise(second, (20, 20)).sum() == 1


def test_an_empty_mask_has_no_outline() -> None:
    assert polygonlabels.encode_mask(np.zeros((5, 5), dtype=np.bool_), control=CONTROL, label="Galaxy", size=(5, 5)) == []


@given(MASKS)
def test_the_regions_of_a_mask_restore_it(mask: NDArray[np.bool_]) -> None:
    size = (mask.shape[1], mask.shape[0])
    regions = polygonlabels.encode_mask(mask, control=CONTROL, label="Galaxy", size=size, tolerance_px=0)
    assert (union([polygonlabels.decode(region).shape for region in regions], mask) == mask).all()
    assert len({region["id"] for region in regions}) == len(regions)


@given(
    st.tuples(st.integers(1, 5000), st.integers(1, 5000)),
    npst.arrays(np.float64, st.tuples(st.integers(3, 30), st.just(2)), elements=st.floats(0, 1)),
)
def test_encoded_values_are_decoded(size: Size, corners: NDArray[np.float64]) -> None:
    points = corners * size
    region = encode(points, size)
    read = polygonlabels.decode(region)
    assert read.shape.points == pytest.approx(points, rel=1e-9, abs=1e-9)
    assert (read.size, read.label) == (size, "Galaxy")
    assert all(0 <= number <= 100 for point in region["value"]["points"] for number in point)


def test_corners_beyond_the_border_are_moved_onto_it() -> None:
    assert encode([[-5, 0], [300, 0], [0, 400]])["value"]["points"] == [[0, 0], [100, 0], [0, 100]]


@given(st.lists(st.tuples(st.floats(0, 30), st.floats(0, 20)), min_size=3, max_size=3, unique=True))
def test_a_triangle_is_filled_as_scikit_image_fills_it(corners: list[tuple[float, float]]) -> None:
    points = np.asarray(corners)
    theirs = polygon2mask((20, 30), points[:, ::-1] - 0.5)
    ours = rasterise(Polygon(points), (30, 20))
    # They count a centre on an edge as inside; polygonlabels assigns it to one of the two sides.
    assert (theirs | ~ours).all()
    assert (rasterise(Polygon(points + 1e-7), (30, 20)) ^ theirs).sum() <= 30 + 20


def test_a_pixel_aligned_box_covers_its_pixels() -> None:
    mask = rasterise(Polygon(np.array([[2, 1], [5, 1], [5, 3], [2, 3]], dtype=float)), (8, 6))
    assert mask.sum() == 6
    assert mask[1:3, 2:5].all()


@pytest.mark.parametrize("points", [[[0, 0], [1, 1]], [[0, 0], [1, 1], [math.nan, 1]], [[0, 0, 0]] * 3, [0, 1, 2]])
def test_invalid_outlines_are_not_encoded(points: Any) -> None:
    with pytest.raises(ControlError, match="three or more"):
        encode(points)


def test_a_mask_of_another_size_than_the_image_is_not_written() -> None:
    with pytest.raises(ControlError, match="shape"):
        polygonlabels.encode_mask(np.ones((4, 5), dtype=np.bool_), control=CONTROL, label="Galaxy", size=(4, 5))


@pytest.mark.parametrize(
    "points",
    [
        None,
        "points",
        [[0, 0], [1, 1]],
        [[0, 0], [1, 1], [2]],
        [[0, 0], [1, 1], 5],
        [[0, 0], [1, 1], ["2", 3]],
        [[0, 0], [1, 1], [math.nan, 3]],
        [[0, 0], [1, 1], [None, 3]],
        [[0, 0], [1, 1], [1e9, 3]],
        [[0, 0]] * 100_001,
    ],
    ids=range(10),
)
def test_points_that_are_not_an_outline_are_rejected(points: Any) -> None:
    region = encode([[0, 0], [10, 0], [0, 10]])
    region["value"]["points"] = points
    with pytest.raises(ControlError):
        polygonlabels.decode(region)


def test_an_outline_with_too_many_crossings_is_rejected() -> None:
    zigzag = Polygon(np.array([[number % 9_000, (number % 2) * 9_000] for number in range(90_000)], float))
    with pytest.raises(ControlError, match="crosses the 9000 rows of the image too often"):
        rasterise(zigzag, (9_000, 9_000))


@pytest.mark.parametrize("corner", [[True, 5.0], [10**400, 5], [float("nan"), 5.0], ["5", 5.0], [5.0], 5.0, [1001.0, 5.0]])
def test_one_invalid_corner_among_numbers_is_refused(corner: object) -> None:
    region = encode([[10, 10], [90, 10], [50, 90]])
    region["value"]["points"][1] = corner
    with pytest.raises(ControlError):
        polygonlabels.decode(region)


def test_corners_are_decoded_exactly() -> None:
    region = encode([[10, 10], [90, 10], [50, 90]])
    region["value"]["points"] = [[1, 2.25], (3.0, 100), [99.125, 7]]
    np.testing.assert_array_equal(polygonlabels.decode(region).shape.points, [[2, 2.25], [6, 100], [198.25, 7]])

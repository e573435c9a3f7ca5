from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from backend.heads.segmentation.windows import LEAST_SIDE_PX, halve_sides, nearest_window, window_around

sizes = st.tuples(st.integers(1, 3000), st.integers(1, 3000))


@given(sizes)
def test_windows_start_with_the_whole_image_and_are_halved(size: tuple[int, int]) -> None:
    sides = halve_sides(size)
    assert sides[0] == max(size)
    assert all(side >= LEAST_SIDE_PX for side in sides[1:])
    assert sides[-1] < 2 * LEAST_SIDE_PX or len(sides) == 1


@given(sizes, st.floats(0, 1), st.floats(0, 1), st.integers(0, 9))
def test_a_point_has_a_margin_in_its_window(size: tuple[int, int], x: float, y: float, level: int) -> None:
    sides = halve_sides(size)
    side = sides[min(level, len(sides) - 1)]
    place = x * size[0], y * size[1]
    window = nearest_window(side, place, size, shown_px=256)
    for at, low, span, length in zip(place, (window.x, window.y), (window.width, window.height), size, strict=True):
        assert 0 <= low <= at <= low + span <= length
        assert low == 0 or at - low >= side / 4 - 1
        assert low + span == length or low + span - at >= side / 4 - 1


@given(sizes, st.integers(0, 9))
def test_nearby_points_use_few_windows(size: tuple[int, int], level: int) -> None:
    sides = halve_sides(size)
    side = sides[min(level, len(sides) - 1)]
    windows = {nearest_window(side, (x * size[0] / 20, size[1] / 2), size, shown_px=256) for x in range(21)}
    assert len(windows) <= 2 * -(-size[0] // side) + 1


@given(sizes)
def test_a_box_gets_the_smallest_window_with_a_margin(size: tuple[int, int]) -> None:
    sides = halve_sides(size)
    window = window_around((0, 0, *size), size, sides=sides, shown_px=256)
    assert (window.width, window.height) == size
    tiny = window_around((0, 0, 1, 1), size, sides=sides, shown_px=256)
    assert max(tiny.width, tiny.height) == min(sides[-1], max(size))
    assert window_around((0, 0, 1, 1), size, sides=sides[:1], shown_px=1024) == nearest_window(
        sides[0], (0.5, 0.5), size, shown_px=1024
    )

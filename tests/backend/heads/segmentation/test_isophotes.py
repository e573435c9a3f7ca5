from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from backend.heads.segmentation.isophote_settings import SETTINGS
from backend.heads.segmentation.isophotes import Isophotes
from backend.heads.segmentation.refine import refine_guess

SIDE = 48


def objects(*places: tuple[float, float, float, float]) -> Isophotes:
    """Return round objects of (x, y, width, peak), in the noise of a dark sky."""
    rows, columns = np.indices((SIDE, SIDE)) + 0.5
    light = sum(peak * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * width**2)) for x, y, width, peak in places)
    return Isophotes.of(np.arcsinh(light).astype(np.float32))


ONE = objects((24, 24, 5, 100))
TWO = objects((14, 24, 3, 100), (34, 24, 3, 60))
BRIDGED = objects((18, 24, 4, 100), (30, 24, 3, 60))


def refine(isophotes: Isophotes, logits: NDArray[np.float32], clicks: list[tuple[float, float, bool]]) -> NDArray[np.float32]:
    points = np.array([(x, y) for x, y, _ in clicks], np.float64).reshape(-1, 2)
    return refine_guess(isophotes, logits, points, np.array([positive for *_, positive in clicks], bool))


def inside(guess: NDArray[np.float32]) -> NDArray[np.bool_]:
    return guess > 0


def test_a_click_gives_the_isophote_of_typical_outlines() -> None:
    guess = ONE.guess_from_click((24, 24))
    edge = ONE.light[inside(guess)].min() / ONE.light.max()
    assert 0.15 < edge < 0.22
    assert np.abs(guess).max() <= SETTINGS.largest_logit


def test_a_click_off_the_middle_selects_the_same_galaxy() -> None:
    assert (inside(ONE.guess_from_click((27, 22))) == inside(ONE.guess_from_click((24, 24)))).mean() > 0.99


def test_a_click_on_the_outskirts_widens_the_outline() -> None:
    near, far = inside(ONE.guess_from_click((24, 24))), inside(ONE.guess_from_click((24 + 12, 24)))
    assert far.sum() > near.sum()
    assert far[24, 36]
    assert not near[24, 36]


def test_a_galaxy_ends_at_the_saddle_to_its_neighbour() -> None:
    left, right = inside(TWO.guess_from_click((14, 24))), inside(TWO.guess_from_click((34, 24)))
    assert (left[24, 14], left[24, 34]) == (True, False)
    assert (right[24, 14], right[24, 34]) == (False, True)


def test_a_box_selects_the_galaxy_in_its_middle_and_nothing_outside() -> None:
    guess = inside(TWO.guess_from_box((8, 18, 20, 30)))
    assert guess[24, 14]
    outside = guess.copy()
    outside[18:30, 8:20] = False
    assert not outside.any()


def test_a_click_on_another_object_adds_it_and_a_negative_one_removes_it() -> None:
    base = TWO.guess_from_click((14, 24))
    both = refine(TWO, base, [(14, 24, True), (34, 24, True)])
    assert inside(both)[24, [14, 34]].all()
    third = refine(TWO, base, [(14, 24, True), (34, 24, True), (34, 24, False)])
    assert inside(third)[24, [14, 34]].tolist() == [True, False]


def test_a_negative_click_on_the_outskirts_narrows_the_outline_there() -> None:
    base = ONE.guess_from_click((24, 24))
    area = inside(refine(ONE, base, [(24, 24, True), (31, 24, False)]))
    assert inside(base)[24, 31]
    assert area[24, 24]
    assert not area[24, 31]
    assert area[24, 17]
    assert not (area & ~inside(base)).any()


def test_a_click_that_agrees_with_the_mask_changes_nothing() -> None:
    base = ONE.guess_from_click((24, 24))
    assert (refine(ONE, base, [(24, 24, True), (40, 40, False)]) == base).all()


def test_a_click_on_empty_sky_adds_its_point_only() -> None:
    empty = Isophotes.of(np.zeros((SIDE, SIDE), np.float32))
    assert not inside(empty.guess_from_click((5, 5))).any()
    assert inside(refine(BRIDGED, np.full((SIDE, SIDE), -SETTINGS.largest_logit, np.float32), [(2, 2, True)]))[2, 2]


@given(
    arrays(np.float32, (16, 16), elements=st.floats(-3, 9, width=32)),
    st.lists(st.tuples(st.floats(-5, 20), st.floats(-5, 20), st.booleans()), max_size=5),
    st.tuples(st.floats(0, 8), st.floats(0, 8), st.floats(8, 16), st.floats(8, 16)),
)
def test_any_light_and_clicks_give_finite_guesses_that_follow_the_last_click(
    image: NDArray[np.float32], clicks: list[tuple[float, float, bool]], box: tuple[float, float, float, float]
) -> None:
    isophotes = Isophotes.of(image)
    guess = refine(isophotes, isophotes.guess_from_box(box), clicks)
    assert np.isfinite(guess).all()
    if clicks:
        x, y, positive = clicks[-1]
        row, column = (min(max(int(at), 0), 15) for at in (y, x))
        assert (guess[row, column] > 0) == positive


def test_a_negative_click_far_below_a_bright_core_keeps_the_core() -> None:
    bright = objects((24, 24, 6, 1e5))
    base = bright.guess_from_click((24, 24))
    edge = float(np.flatnonzero(inside(base)[24]).max()) - 0.5
    area = inside(refine(bright, base, [(24, 24, True), (edge, 24, False)]))
    assert not area[24, int(edge)]
    assert area.sum() > 0.6 * inside(base).sum()


def test_a_shallow_valley_divides_knots_and_no_objects() -> None:
    isophotes = objects((20, 24, 4, 100), (29.5, 24, 3, 70))
    knots = isophotes.knot_segments()
    assert isophotes.segments[24, 20] == isophotes.segments[24, 29] > 0
    assert 0 < knots[24, 20] < knots[24, 29]

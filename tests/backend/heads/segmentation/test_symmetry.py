from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from backend.heads.segmentation.isophote_settings import SETTINGS
from backend.heads.segmentation.isophotes import Isophotes
from backend.heads.segmentation.symmetry import BlendShares, symmetric_share

SIDE = 48
GALAXY, NEIGHBOUR = (20, 24, 4, 40), (29, 24, 2.5, 26)


def light_of(*objects: tuple[float, float, float, float]) -> NDArray[np.float32]:
    """Return round objects of (x, y, width, peak), shape (SIDE, SIDE)."""
    rows, columns = np.indices((SIDE, SIDE)) + 0.5
    light = sum(peak * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * width**2)) for x, y, width, peak in objects)
    return np.asarray(light, np.float32)


def isophotes_of(*objects: tuple[float, float, float, float]) -> Isophotes:
    return Isophotes.of(np.arcsinh(light_of(*objects)))


def overlap(guess: NDArray[np.float32], truth: NDArray[np.bool_]) -> float:
    return float(((guess > 0) & truth).sum() / ((guess > 0) | truth).sum())


def test_the_light_of_a_symmetric_galaxy_has_no_rest() -> None:
    shares = BlendShares.of(light_of((20.5, 24.5, 4, 40)), (24, 20))
    assert np.abs(shares.rest).max() < 0.01
    assert shares.neighbour_at((24, 26)) is None
    assert not shares.bright_neighbours((24, 20), 2.0).any()


def test_each_object_of_a_blend_without_a_valley_gets_its_own_mask() -> None:
    galaxy, neighbour = light_of(GALAXY), light_of(NEIGHBOUR)
    isophotes = isophotes_of(GALAXY, NEIGHBOUR)
    assert isophotes.segments.max() == 1
    true_galaxy, true_neighbour = (galaxy > 0.17 * 40) & (galaxy > neighbour), (neighbour > 0.17 * 26) & (neighbour > galaxy)
    assert overlap(isophotes.guess_from_click((20, 24)), true_galaxy) > 0.8
    assert overlap(isophotes.guess_from_click((29.5, 24)), true_neighbour) > 0.7


def test_a_click_on_the_bridge_on_the_side_of_the_neighbour_selects_both() -> None:
    guess = isophotes_of(GALAXY, (30, 24, 4, 36)).guess_from_click((26, 24))
    assert guess[24, 20] > 0
    assert guess[24, 30] > 0


def test_a_faint_knot_stays_in_the_galaxy() -> None:
    guess = isophotes_of(GALAXY, (24, 27, 1, 8)).guess_from_click((20, 24))
    assert guess[27, 24] > 0


def test_points_whose_opposite_is_outside_the_window_belong_to_the_galaxy() -> None:
    shares = BlendShares.of(light_of((4, 24, 2, 40), (30, 24, 2, 40)), (24, 4))
    assert shares.rest[24, 30] < 0.01


def test_a_faint_object_is_outlined_above_the_noise() -> None:
    isophotes = isophotes_of((24, 24, 5, 6))
    inside = isophotes.guess_from_click((24, 24)) > 0
    assert isophotes.light[inside].min() > 0.9 * SETTINGS.faintest_outline_snr


@given(arrays(np.float32, (12, 12), elements=st.floats(-3, 1e6, width=32)), st.integers(0, 11), st.integers(0, 11))
def test_any_light_is_divided_without_a_loss(light: NDArray[np.float32], row: int, column: int) -> None:
    shares = BlendShares.of(light, (row, column))
    assert (shares.galaxy >= 0).all()
    assert np.isfinite(shares.rest).all()
    neighbour = shares.neighbour_at((row, column))
    assert neighbour is None or light[neighbour] > 0
    assert not shares.galaxy_points((row, column))[row, column]


def test_the_symmetric_share_is_high_in_a_galaxy_and_low_in_its_neighbour() -> None:
    share = symmetric_share(light_of((20.5, 24.5, 4, 40), (32.5, 24.5, 1.5, 30)), (24, 20), faintest=0.5)
    assert share[24, 14:26].min() > 0.95
    assert share[24, 32] < 0.2

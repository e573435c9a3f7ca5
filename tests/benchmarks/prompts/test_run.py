"""Parts of the prompts benchmark: counts of clicks, the baselines on two galaxies, and intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.heads.segmentation.simulated_clicks import Click
from benchmarks.prompts.clicking import Clicked, click_through
from benchmarks.prompts.objects import Object, StoredImage
from benchmarks.prompts.opponents import RECIPES, source_extraction, watershed_at_click
from benchmarks.prompts.quality import MOST_CLICKS, Judged
from benchmarks.prompts.statistics import clicks_until, difference, mean_of, overlap_after, share_reached
from sync.geometry.shapes import Mask

LEFT, RIGHT = (40.0, 50.0), (80.0, 50.0)


def two_galaxies() -> NDArray[np.float32]:
    """Return two round galaxies, 40 px apart, on a noisy sky: shape (100, 120, 3)."""
    rows, columns = np.mgrid[:100, :120] + 0.5
    light = np.full((100, 120), 0.03)
    for x, y in (LEFT, RIGHT):
        light += 0.8 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 7**2))
    noisy = light[..., None] + np.random.default_rng(0).normal(0, 0.01, (100, 120, 3))
    return noisy.clip(0, 1).astype(np.float32)


def disc(middle: tuple[float, float], radius: float = 10) -> Mask:
    rows, columns = np.mgrid[:100, :120] + 0.5
    inside: Mask = np.hypot(columns - middle[0], rows - middle[1]) < radius
    return inside


def test_the_click_that_reaches_the_overlap_is_counted() -> None:
    series = Clicked((0.5, 0.8, 0.86, 0.84, 0.91))
    assert [series.until(goal, most=20) for goal in (0.5, 0.85, 0.9)] == [1, 3, 5]


def test_an_overlap_that_is_not_reached_counts_as_the_largest_number() -> None:
    assert Clicked((0.5, 0.8)).until(0.85, most=20) == 20


def test_clicking_continues_until_the_overlap_is_reached() -> None:
    truth, better = disc(LEFT), [disc(LEFT, radius) for radius in (5, 9.8, 9, 9.8, 9)]

    def segment(clicks: Sequence[Click]) -> Mask:
        return better[len(clicks) - 1]

    assert len(click_through(segment, truth, clicks=20, seed=0, enough=0.9, least=1).overlaps) == 2
    assert len(click_through(segment, truth, clicks=20, seed=0, enough=0.9, least=4).overlaps) == 4
    assert len(click_through(segment, truth, clicks=3, seed=0, enough=0.9, least=4).overlaps) == 3


@pytest.fixture(params=["watershed, outlines", "watershed, scenes", "extraction"])
def opponent(request: pytest.FixtureRequest) -> Callable[[Sequence[Click]], Mask]:
    pixels = two_galaxies()
    if request.param == "extraction":
        return source_extraction(pixels)
    return watershed_at_click(pixels, recipe=RECIPES[request.param.partition(", ")[2]])


def test_a_click_selects_the_galaxy_under_it_and_not_its_neighbour(opponent: Callable[[Sequence[Click]], Mask]) -> None:
    mask = opponent([(*LEFT, True)])
    assert mask[disc(LEFT, 6)].all()
    assert not mask[disc(RIGHT, 10)].any()


def test_a_first_click_beside_a_galaxy_selects_the_nearest(opponent: Callable[[Sequence[Click]], Mask]) -> None:
    np.testing.assert_array_equal(opponent([(5.5, 50.5, True)]), opponent([(*LEFT, True)]))


def test_further_clicks_add_and_remove_the_other_galaxy(opponent: Callable[[Sequence[Click]], Mask]) -> None:
    left, two_clicks = opponent([(*LEFT, True)]), opponent([(*LEFT, True), (*RIGHT, True)])
    assert two_clicks[disc(LEFT, 6) | disc(RIGHT, 6)].all()
    np.testing.assert_array_equal(opponent([(*LEFT, True), (*RIGHT, False)]), left)


def test_the_object_of_the_first_click_is_kept(opponent: Callable[[Sequence[Click]], Mask]) -> None:
    mask = opponent([(*LEFT, True), (LEFT[0] + 5, LEFT[1], False)])
    assert mask[int(LEFT[1]), int(LEFT[0])]


def test_a_click_on_empty_sky_gives_the_clicked_pixels() -> None:
    black = np.zeros((50, 60, 3), np.float32)
    for segment in (source_extraction(black), watershed_at_click(black, recipe=RECIPES["scenes"])):
        mask = segment([(10.5, 20.5, True)])
        assert mask[20, 10]


def judge(method: str, *overlaps: tuple[float, ...], objects: Sequence[Object]) -> list[Judged]:
    return [Judged(method, object_, 0, 0, Clicked(values)) for object_, values in zip(objects, overlaps, strict=True)]


@pytest.fixture
def objects() -> list[Object]:
    """Return three objects in two images."""
    mask = disc(LEFT)
    image = StoredImage(two_galaxies(), None, (mask,), (False,))  # type: ignore[arg-type]
    return [Object(image, number, mask, False) for number in (0, 0, 1)]


def test_figures_are_means_over_objects_with_their_interval(objects: list[Object]) -> None:
    results = judge("a", (0.9,), (0.6, 0.86), (0.3, 0.4), objects=objects)
    mean = mean_of(results, overlap_after(1))
    assert mean.mean == pytest.approx(0.6)
    assert mean.low <= 0.6 <= mean.high
    assert mean_of(results, clicks_until(0.85)).mean == pytest.approx((1 + 2 + MOST_CLICKS) / 3)
    assert mean_of(results, share_reached(0.85)).mean == pytest.approx(2 / 3)


def test_a_constant_difference_has_a_narrow_interval(objects: list[Object]) -> None:
    worse, better = ([(value,) for value in values] for values in ((0.2, 0.5, 0.7), (0.3, 0.6, 0.8)))
    gain = difference(judge("b", *better, objects=objects), judge("a", *worse, objects=objects), overlap_after(1))
    assert [gain.low, gain.mean, gain.high] == pytest.approx([0.1] * 3)

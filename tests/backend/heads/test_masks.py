from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from backend.heads.errors import NotEnoughLabels
from backend.heads.masks import MINIMUM_MASKS, PromptedMasks
from backend.heads.matching import mask_overlap
from backend.heads.sources import ExtractionSettings, extract
from sync.controls.shapes import Box, Mask, Point

Sky = Callable[..., NDArray[np.float32]]
OUTLINED = Path(__file__).parents[3] / "../shared/data/masks"
TWO = [(60.0, 60.0, 10.0, 8.0, 0.0, 0.7), (104.0, 60.0, 7.0, 7.0, 0.0, 0.6)]


def clicked(
    image: NDArray[np.float32], *points: tuple[float, float], away: tuple[tuple[float, float], ...] = ()
) -> Mask | None:
    prompts = [(Point(*point), True) for point in points] + [(Point(*point), False) for point in away]
    found = PromptedMasks.base().predict(image, points=prompts)
    return None if found is None else found[0]


def test_a_click_selects_the_galaxy_under_it_and_no_other(sky: Sky) -> None:
    mask = clicked(sky((160, 120), TWO), (60, 60))
    assert mask is not None
    assert mask[60, 60]
    assert not mask[60, 104]


def test_a_click_just_beside_a_small_galaxy_selects_it(sky: Sky) -> None:
    mask = clicked(sky((100, 100), [(50, 50, 2, 2, 0, 0.6)]), (56, 50))
    assert mask is not None
    assert mask[50, 50]


def test_two_clicks_select_both(sky: Sky) -> None:
    mask = clicked(sky((160, 120), TWO), (60, 60), (104, 60))
    assert mask is not None
    assert mask[60, 60]
    assert mask[60, 104]


def test_a_negative_click_takes_a_selected_galaxy_away_again(sky: Sky) -> None:
    image = sky((160, 120), TWO)
    box = Box(30, 35, 100, 50)
    both = PromptedMasks.base().predict(image, boxes=[box])
    one = PromptedMasks.base().predict(image, boxes=[box], points=[(Point(104, 60), False)])
    assert both is not None
    assert both[0][60, 60]
    assert both[0][60, 104]
    assert one is not None
    assert one[0][60, 60]
    assert not one[0][60, 104]


def test_a_negative_click_on_the_outskirts_pulls_the_outline_in(sky: Sky) -> None:
    image = sky((120, 120), [(60, 60, 12, 12, 0, 0.7)])
    whole, less = clicked(image, (60, 60)), clicked(image, (60, 60), away=((75, 60),))
    assert whole is not None
    assert less is not None
    assert whole[60, 75]
    assert less[60, 60]
    assert not less[60, 75]
    assert not (less & ~whole).any()


def test_a_click_on_the_faint_outskirts_lets_the_outline_out(sky: Sky) -> None:
    image = sky((120, 120), [(60, 60, 12, 12, 0, 0.7)], noise=0.003)
    near, far = clicked(image, (60, 60)), clicked(image, (60 + 28, 60))
    assert near is not None
    assert far is not None
    assert not near[60, 88]
    assert far[60, 88]
    assert far[60, 60]


def test_a_galaxy_too_faint_to_be_found_is_grown_from_the_click(sky: Sky) -> None:
    image = sky((120, 120), [(60, 60, 6, 6, 0, 0.022)], noise=0.01)
    assert extract(image).sources == ()
    mask = clicked(image, (60, 60))
    assert mask is not None
    assert 20 < mask.sum() < 600
    assert mask[60, 60]


def test_a_click_on_nothing_gives_nothing() -> None:
    assert clicked(np.zeros((60, 60, 3), np.float32), (30, 30)) is None


def test_without_a_positive_prompt_there_is_nothing(sky: Sky) -> None:
    image = sky((160, 120), TWO)
    assert PromptedMasks.base().predict(image) is None
    assert PromptedMasks.base().predict(image, points=[(Point(60, 60), False)]) is None


@pytest.mark.parametrize("half", [14, 18, 24])
def test_a_box_says_how_far_the_outline_runs(sky: Sky, half: int) -> None:
    image = sky((120, 120), [(60, 60, 12, 12, 0, 0.7)], noise=0.003)
    found = PromptedMasks.base().predict(image, boxes=[Box(60 - half, 60 - half, 2 * half, 2 * half)])
    assert found is not None
    columns = np.flatnonzero(found[0].any(axis=0))
    assert columns[-1] - columns[0] + 1 == pytest.approx(2 * half, abs=5)


def test_nothing_outside_the_box_is_given(sky: Sky) -> None:
    found = PromptedMasks.base().predict(sky((160, 120), TWO), boxes=[Box(50, 50, 20, 20)])
    assert found is not None
    outside = found[0].copy()
    outside[50:70, 50:70] = False
    assert found[0].any()
    assert not outside.any()


def test_a_bright_galaxy_gets_a_better_quality_than_a_faint_one(sky: Sky) -> None:
    image = sky((160, 120), [(40, 60, 6, 6, 0, 0.8), (110, 60, 6, 6, 0, 0.1)], noise=0.02)
    bright, faint = (PromptedMasks.base().predict(image, points=[(Point(x, 60), True)]) for x in (40, 110))
    assert bright is not None
    assert faint is not None
    assert 0 <= faint[1] < bright[1] <= 1


def test_the_sources_of_the_image_can_be_handed_in(sky: Sky) -> None:
    image, head = sky((160, 120), TWO), PromptedMasks.base()
    points = [(Point(60, 60), True)]
    own, given_ = head.predict(image, points=points), head.predict(image, points=points, sources=extract(image))
    assert own is not None
    assert given_ is not None
    assert (own[0] == given_[0]).all()


def test_the_sources_of_another_image_are_refused(sky: Sky) -> None:
    other = extract(sky((50, 50), []))
    with pytest.raises(ValueError, match="shape"):
        PromptedMasks.base().predict(sky((160, 120), TWO), points=[(Point(60, 60), True)], sources=other)


@settings(max_examples=60, deadline=None)
@given(
    points=st.lists(st.tuples(st.builds(Point, st.floats(0, 90), st.floats(0, 70)), st.booleans()), max_size=6),
    boxes=st.lists(st.builds(Box, st.floats(-10, 80), st.floats(-10, 60), st.floats(11, 90), st.floats(11, 90)), max_size=2),
)
def test_any_prompts_give_a_mask_or_nothing(points: list[tuple[Point, bool]], boxes: list[Box]) -> None:
    rows, columns = np.mgrid[:70, :90]
    light = 0.7 * np.exp(-((columns - 30) ** 2 + (rows - 30) ** 2) / 90) + 0.4 * np.exp(
        -((columns - 60) ** 2 + (rows - 40) ** 2) / 40
    )
    image = np.repeat(light[..., None], 3, axis=2).astype(np.float32)
    found = PromptedMasks.base().predict(image, points=points, boxes=boxes)
    if found is not None:
        mask, quality = found
        assert mask.shape == (70, 90)
        assert mask.dtype == bool
        assert mask.any()
        assert 0 <= quality <= 1
        refused = [point for point, positive in points if not positive]
        assert not any(mask[min(int(point.y), 69), min(int(point.x), 89)] for point in refused)


def test_it_learns_how_far_out_people_outline(sky: Sky) -> None:
    rng = np.random.default_rng(0)
    images = [sky((120, 120), [(60, 60, rng.uniform(6, 14), rng.uniform(6, 14), 0, 0.7)], seed=i) for i in range(10)]
    outer = ExtractionSettings(isophote=0.08)
    masks = [[extract(image, settings=outer).sources[0].full_mask((120, 120))] for image in images]
    head = PromptedMasks.fit(images[:6], masks[:6])
    assert head.settings.isophote == pytest.approx(0.08, abs=0.04)
    for image, (mask,) in zip(images[6:], masks[6:], strict=True):
        found = head.predict(image, points=[(Point(60, 60), True)])
        assert found is not None
        assert mask_overlap(found[0], mask) > 0.9


def test_people_who_agree_with_the_defaults_change_nothing(sky: Sky) -> None:
    images = [sky((120, 120), TWO, seed=i) for i in range(4)]
    masks = [[source.full_mask((120, 120)) for source in extract(image).sources] for image in images]
    assert PromptedMasks.fit(images, masks) == PromptedMasks.base()


def test_too_few_masks_are_said_to_be_too_few(sky: Sky) -> None:
    image = sky((60, 60), [])
    with pytest.raises(NotEnoughLabels, match=f"at least {MINIMUM_MASKS}"):
        PromptedMasks.fit([image], [[np.ones((60, 60), bool), np.zeros((60, 60), bool)]])


def test_a_mask_of_another_size_is_refused(sky: Sky) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        PromptedMasks.fit([sky((60, 50), [])], [[np.ones((60, 50), bool)]])


def test_it_comes_back_from_disk_the_same(tmp_path: Path) -> None:
    head = PromptedMasks(ExtractionSettings(isophote=0.25, smoothing_px=2.5))
    head.save(tmp_path)
    assert PromptedMasks.load(tmp_path) == head


@pytest.mark.skipif(not OUTLINED.is_dir(), reason="the outlined galaxies are not here: ../shared/data/masks")
def test_a_click_on_real_galaxies_gives_about_what_people_outlined() -> None:
    with (OUTLINED / "labels.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    overlaps = []
    for i in np.random.default_rng(0).permutation(len(rows))[40:]:
        image = np.asarray(Image.open(OUTLINED / rows[i]["file"]).convert("RGB"), np.float32) / 255
        drawn = np.asarray(Image.open(OUTLINED / rows[i]["mask"])) > 0
        mask = clicked(image, (drawn.shape[1] / 2, drawn.shape[0] / 2))
        overlaps.append(0.0 if mask is None else mask_overlap(mask, drawn))
    assert np.mean(overlaps) > 0.76  # what Otsu's threshold reaches

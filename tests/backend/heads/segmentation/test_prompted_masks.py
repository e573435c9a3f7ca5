"""Prompted masks: an object's mask from clicks, boxes and masks; fine-tuning on annotators' masks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from backend.heads.errors import HeadError, NotEnoughLabels
from backend.heads.segmentation.lvm_window_encoder import LvmWindows
from backend.heads.segmentation.prompt import Prompt
from backend.heads.segmentation.prompted_masks import MINIMUM_MASKS, PromptedMasks
from backend.heads.segmentation.shipped import BASE_SEGMENTER
from backend.heads.segmentation.window_features import CachedWindowEncoder, WindowedImage
from backend.heads.training import Schedule
from backend.lvm.checkpoint import SHIPPED_CHECKPOINT, fingerprint, load_encoder
from backend.scenes.folders import list_outlines
from sync.geometry.overlap import mask_overlap
from sync.geometry.shapes import Box, Mask, Point

pytestmark = pytest.mark.slow

Sky = Callable[..., NDArray[np.float32]]
OUTLINED = Path(__file__).parents[4] / "../shared/data/masks"
TWO = [(60.0, 60.0, 10.0, 8.0, 0.0, 0.7), (110.0, 60.0, 7.0, 7.0, 0.0, 0.6)]
WINDOWS = LvmWindows(load_encoder(SHIPPED_CHECKPOINT), fingerprint=fingerprint(SHIPPED_CHECKPOINT))
SHIPPED = PromptedMasks.load(BASE_SEGMENTER)
STEPS = Schedule(steps=12, rate=2e-4, batch=1)


def predict(head: PromptedMasks, image: WindowedImage, **prompts: Any) -> Any:
    return head.predict(image, Prompt.of(image.size, **prompts))


def windowed_image_of(image: NDArray[np.float32]) -> WindowedImage:
    return CachedWindowEncoder(WINDOWS, None).of_pixels(image)


def click(image: NDArray[np.float32], *points: tuple[float, float], away: Sequence[tuple[float, float]] = ()) -> Mask | None:
    prompts = [(Point(*point), True) for point in points] + [(Point(*point), False) for point in away]
    selection = predict(SHIPPED, windowed_image_of(image), points=prompts)
    return None if selection is None else selection[0]


def ellipse(image: NDArray[np.float32], x: float, y: float, a: float, b: float) -> Mask:
    rows, columns = np.indices(image.shape[:2]) + 0.5
    inside: Mask = ((columns - x) / a) ** 2 + ((rows - y) / b) ** 2 <= 1
    return inside


# -- prompts --


def test_a_click_selects_only_the_galaxy_under_it(sky: Sky) -> None:
    mask = click(sky((160, 120), TWO), (60, 60))
    assert mask is not None
    assert (mask[60, 60], mask[60, 110]) == (True, False)


def test_two_clicks_select_two_galaxies(sky: Sky) -> None:
    mask = click(sky((160, 120), TWO), (60, 60), (110, 60))
    assert mask is not None
    assert (mask[60, 60], mask[60, 110]) == (True, True)


def test_a_negative_click_removes_a_selected_galaxy(sky: Sky) -> None:
    mask = click(sky((160, 120), TWO), (60, 60), (110, 60), away=[(110, 60)])
    assert mask is not None
    assert (mask[60, 60], mask[60, 110]) == (True, False)


def test_the_mask_agrees_with_further_clicks(sky: Sky) -> None:
    image = sky((120, 120), [(60, 60, 12, 12, 0, 0.7)], noise=0.003)
    full_mask = click(image, (60, 60))
    assert full_mask is not None
    edge = int(np.flatnonzero(full_mask[60]).max())
    less, more = click(image, (60, 60), away=[(edge - 4, 60)]), click(image, (60, 60), (edge + 5, 60))
    assert less is not None
    assert more is not None
    assert (full_mask[60, edge - 4], less[60, edge - 4], less[60, 60]) == (True, False, True)
    assert (full_mask[60, edge + 5], more[60, edge + 5], more[60, 60]) == (False, True, True)


def test_a_small_galaxy_in_a_large_image_uses_a_smaller_window(sky: Sky) -> None:
    mask = click(sky((1200, 900), [(900, 300, 3, 3, 0, 0.7)]), (900, 300))
    assert mask is not None
    assert mask[300, 900]
    assert 30 < mask.sum() < 600


def test_the_mask_of_a_large_galaxy_is_complete(sky: Sky) -> None:
    mask = click(sky((600, 600), [(300, 300, 90, 70, 20, 0.8)]), (300, 300))
    assert mask is not None
    assert mask.sum() > 0.5 * np.pi * 90 * 70 * 2


@pytest.mark.parametrize("inward", [0, 1, 2, 5])
def test_a_negative_click_at_the_edge_reduces_the_mask(sky: Sky, inward: int) -> None:
    image = sky((96, 96), [(48, 48, 9, 7, 30, 0.6)])
    full_mask = click(image, (48, 48))
    assert full_mask is not None
    edge = int(np.flatnonzero(full_mask[48]).max()) - inward
    less = click(image, (48, 48), away=[(edge, 48)])
    assert less is not None
    assert (full_mask[48, edge], less[48, edge], less[48, 48]) == (True, False, True)


@pytest.mark.parametrize("place", [(30, 30), (0, 0), (60, 60)])
def test_a_click_on_sky_gives_at_most_a_small_mask(place: tuple[int, int]) -> None:
    mask = click(np.zeros((60, 60, 3), np.float32), place)
    assert mask is None or mask.sum() < 0.3 * mask.size


def test_without_a_positive_prompt_there_is_no_mask(sky: Sky) -> None:
    windowed_image = windowed_image_of(sky((160, 120), TWO))
    assert predict(SHIPPED, windowed_image) is None
    assert predict(SHIPPED, windowed_image, points=[(Point(60, 60), False)]) is None


def test_a_box_selects_the_galaxy_inside(sky: Sky) -> None:
    selection = predict(SHIPPED, windowed_image_of(sky((160, 120), TWO)), boxes=[Box(95, 45, 30, 30)])
    assert selection is not None
    assert (selection[0][60, 110], selection[0][60, 60]) == (True, False)


def test_several_boxes_are_combined(sky: Sky) -> None:
    selection = predict(SHIPPED, windowed_image_of(sky((160, 120), TWO)), boxes=[Box(95, 45, 30, 30), Box(40, 44, 40, 32)])
    assert selection is not None
    assert (selection[0][60, 110], selection[0][60, 60]) == (True, True)


def test_clicks_refine_a_mask(sky: Sky) -> None:
    image = sky((160, 120), TWO)
    target = ellipse(image, 60, 60, 16, 14)
    selection = predict(SHIPPED, windowed_image_of(image), mask=target, points=[(Point(110, 60), True)])
    assert selection is not None
    assert (selection[0][60, 60], selection[0][60, 110]) == (True, True)
    assert mask_overlap(selection[0] & (np.indices(target.shape)[1] < 85), target) > 0.5


def test_each_box_gets_a_mask(sky: Sky) -> None:
    boxes = [Box(95, 45, 30, 30), Box(40, 44, 40, 32)]
    masks = [outline.mask() for outline in SHIPPED.outline(windowed_image_of(sky((160, 120), TWO)), boxes)]
    assert [bool(mask[60, 110]) for mask in masks] == [True, False]
    assert [bool(mask[60, 60]) for mask in masks] == [False, True]
    assert SHIPPED.outline(windowed_image_of(sky((160, 120), TWO)), []) == []


def test_equal_prompts_give_equal_masks(sky: Sky) -> None:
    image = sky((160, 120), TWO)
    windowed_image, prompts = windowed_image_of(image), [(Point(60, 60), True)]
    before = predict(SHIPPED, windowed_image, points=prompts)
    predict(SHIPPED, windowed_image, points=[(Point(110, 60), True)])
    after = predict(SHIPPED, windowed_image_of(image), points=prompts)
    assert before is not None
    assert after is not None
    assert (before[0] == after[0]).all()
    assert before[1] == after[1]


@pytest.mark.parametrize(
    ("prompts", "message"),
    [
        ({"points": [(Point(500, 5), True)]}, "outside"),
        ({"points": [(Point(float("nan"), 5), True)]}, "outside"),
        ({"boxes": [Box(5, 5, 0, 10)]}, "no area"),
        ({"points": [(Point(5, 5), True)] * 10_000}, "too many"),
        ({"mask": np.ones((10, 10), bool)}, "does not fit"),
    ],
)
def test_invalid_prompts_are_an_error_in_one_sentence(prompts: dict[str, object], message: str, sky: Sky) -> None:
    with pytest.raises(ValueError, match=message):
        predict(SHIPPED, windowed_image_of(sky((60, 50), [])), **prompts)


def test_an_image_that_is_too_large_is_an_error_in_one_sentence() -> None:
    with pytest.raises(ValueError, match="30000x1 pixels; objects are detected"):
        windowed_image_of(np.zeros((1, 30_000, 3), np.float32))


@settings(max_examples=25, deadline=None)
@given(
    points=st.lists(st.tuples(st.builds(Point, st.floats(0, 90), st.floats(0, 70)), st.booleans()), max_size=5),
    boxes=st.lists(st.builds(Box, st.floats(-10, 80), st.floats(-10, 60), st.floats(11, 90), st.floats(11, 90)), max_size=2),
)
def test_any_prompts_give_a_mask_or_none(points: list[tuple[Point, bool]], boxes: list[Box]) -> None:
    rows, columns = np.mgrid[:70, :90]
    light = 0.7 * np.exp(-((columns - 30) ** 2 + (rows - 30) ** 2) / 90) + 0.4 * np.exp(
        -((columns - 60) ** 2 + (rows - 40) ** 2) / 40
    )
    image = np.repeat(light[..., None], 3, axis=2).astype(np.float32)
    selection = predict(SHIPPED, windowed_image_of(image), points=points, boxes=boxes)
    if selection is not None:
        mask, quality = selection
        assert mask.shape == (70, 90)
        assert mask.dtype == bool
        assert mask.any()
        assert 0 <= quality <= 1


# -- training --


def test_training_adapts_the_extent_of_masks(sky: Sky) -> None:
    rng = np.random.default_rng(0)
    images = [sky((128, 128), [(64, 64, rng.uniform(6, 14), rng.uniform(6, 14), 0, 0.7)], seed=i) for i in range(8)]
    wide = [[ellipse(image, 64, 64, 40, 40)] for image in images]
    head = SHIPPED.fit(
        [windowed_image_of(image) for image in images[:6]], wide[:6], schedule=Schedule(steps=40, rate=1e-3, batch=1)
    )
    overlaps: dict[str, list[float]] = {"before": [], "after": []}
    for image, (mask,) in zip(images[6:], wide[6:], strict=True):
        for name, outline in (("before", SHIPPED), ("after", head)):
            selection = predict(outline, windowed_image_of(image), points=[(Point(64, 64), True)])
            assert selection is not None
            overlaps[name].append(mask_overlap(selection[0], mask))
    assert np.mean(overlaps["after"]) > np.mean(overlaps["before"]) + 0.1


def test_training_does_not_change_the_original_head(sky: Sky) -> None:
    image = sky((128, 128), [(64, 64, 9, 9, 0, 0.7)])
    weights = {name: value.clone() for name, value in SHIPPED.network.state_dict().items()}
    SHIPPED.fit([windowed_image_of(image)] * 3, [[ellipse(image, 64, 64, 30, 30)]] * 3, schedule=STEPS)
    assert all(torch.equal(value, weights[name]) for name, value in SHIPPED.network.state_dict().items())


def test_a_head_that_is_fine_tuned_chooses_among_its_own_candidates(sky: Sky) -> None:
    image = sky((128, 128), [(64, 64, 9, 9, 0, 0.7)])
    assert SHIPPED.fusion is not None
    assert SHIPPED.fit([windowed_image_of(image)] * 3, [[ellipse(image, 64, 64, 30, 30)]] * 3, schedule=STEPS).fusion is None


def test_equal_masks_give_equal_heads(sky: Sky) -> None:
    image = sky((128, 128), [(64, 64, 9, 9, 0, 0.7)])
    first, second = (
        SHIPPED.fit([windowed_image_of(image)] * 3, [[ellipse(image, 64, 64, 30, 30)]] * 3, schedule=STEPS) for _ in range(2)
    )
    assert all(
        torch.equal(a, b)
        for a, b in zip(first.network.state_dict().values(), second.network.state_dict().values(), strict=True)
    )


def test_too_few_masks_are_an_error(sky: Sky) -> None:
    windowed_image = windowed_image_of(sky((60, 60), []))
    with pytest.raises(NotEnoughLabels, match=f"at least {MINIMUM_MASKS}"):
        SHIPPED.fit([windowed_image], [[np.ones((60, 60), bool), np.zeros((60, 60), bool)]])


def test_unedited_masks_are_an_error(sky: Sky) -> None:
    windowed_image = windowed_image_of(sky((160, 120), TWO))
    target = [outline.mask() for outline in SHIPPED.outline(windowed_image, [Box(38, 42, 44, 36), Box(94, 44, 32, 32)])]
    with pytest.raises(NotEnoughLabels, match="equal the predicted ones"):
        SHIPPED.fit([windowed_image] * 2, [target] * 2)


def test_masks_that_are_too_small_are_an_error() -> None:
    windowed_image = windowed_image_of(np.zeros((190, 190, 3), np.float32))
    speck = np.zeros((190, 190), bool)
    speck[100, 100] = True
    with pytest.raises(NotEnoughLabels, match="large enough"):
        SHIPPED.fit([windowed_image] * 3, [[speck]] * 3, schedule=STEPS)


def test_a_mask_of_another_size_is_an_error(sky: Sky) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        SHIPPED.fit([windowed_image_of(sky((60, 50), []))], [[np.ones((60, 50), bool)]])


# -- on disk --


def test_a_saved_head_is_loaded_unchanged(tmp_path: Path, sky: Sky) -> None:
    image = sky((128, 128), [(64, 64, 9, 9, 0, 0.7)])
    head = SHIPPED.fit([windowed_image_of(image)] * 3, [[ellipse(image, 64, 64, 30, 30)]] * 3, schedule=STEPS)
    head.save(tmp_path)
    loaded_head = PromptedMasks.load(tmp_path)
    prompts = [(Point(64, 64), True), (Point(90, 64), False)]
    before, after = (predict(outline, windowed_image_of(image), points=prompts) for outline in (head, loaded_head))
    assert before is not None
    assert after is not None
    assert (before[0] == after[0]).all()


def test_a_head_of_another_encoder_is_an_error(sky: Sky) -> None:
    other = PromptedMasks(SHIPPED.network, "another")
    with pytest.raises(HeadError, match="trained on the encoder another"):
        predict(other, windowed_image_of(sky((60, 50), [])), points=[(Point(30, 30), True)])


def test_a_head_with_an_invalid_config_is_an_error(tmp_path: Path) -> None:
    SHIPPED.save(tmp_path)
    text = (tmp_path / "head.json").read_text()
    (tmp_path / "head.json").write_text(text.replace('"width": 128', '"width": -1'))
    with pytest.raises(HeadError, match="config"):
        PromptedMasks.load(tmp_path)


def test_the_shipped_head_was_trained_on_the_shipped_encoder() -> None:
    assert SHIPPED.encoder == WINDOWS.fingerprint


@pytest.mark.skipif(not OUTLINED.is_dir(), reason="the outlined galaxies are not here: ../shared/data/masks")
def test_a_click_on_real_galaxies_gives_masks_like_those_of_annotators() -> None:
    overlaps = []
    for path, outline in list_outlines(OUTLINED, part="val"):
        image = np.asarray(Image.open(path).convert("RGB"), np.float32) / np.float32(255)
        target = np.asarray(Image.open(outline)) > 0
        mask = click(image, (target.shape[1] / 2, target.shape[0] / 2))
        overlaps.append(0.0 if mask is None else mask_overlap(mask, target))
    assert np.mean(overlaps) > 0.80  # Otsu's threshold gives 0.76

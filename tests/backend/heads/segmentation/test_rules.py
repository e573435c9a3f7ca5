"""Rules of prompted masks, on the masks that the shipped head gives for random scenes and random clicks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from backend.heads.segmentation.isophotes import Isophotes
from backend.heads.segmentation.lvm_window_encoder import LvmWindows
from backend.heads.segmentation.prompt import Prompt
from backend.heads.segmentation.prompted_masks import PromptedMasks
from backend.heads.segmentation.rules import WindowClicks, enforce_clicks, enforce_rules
from backend.heads.segmentation.sam_window_encoder import SAM_CONFIG
from backend.heads.segmentation.shipped import BASE_SEGMENTER
from backend.heads.segmentation.window_features import CachedWindowEncoder, WindowedImage
from backend.heads.segmentation.window_mask import WindowMask
from backend.lvm.checkpoint import SHIPPED_CHECKPOINT, fingerprint, load_encoder
from backend.lvm.tiles import Tile
from backend.scenes.generator import SceneGenerator
from sync.geometry.shapes import Box, Mask, Point

pytestmark = pytest.mark.slow

WINDOWS = LvmWindows(load_encoder(SHIPPED_CHECKPOINT), fingerprint=fingerprint(SHIPPED_CHECKPOINT))
SHIPPED = PromptedMasks.load(BASE_SEGMENTER)
SCENES = SceneGenerator()
SIDE = 64
FRAME = Path(__file__).parents[4] / "../shared/data/fields/1462_150_5_DR7.jpg"
PLACES = st.tuples(st.floats(0, 1), st.floats(0, 1))


def predict(head: PromptedMasks, image: WindowedImage, **prompts: Any) -> Any:
    return head.predict(image, Prompt.of(image.size, **prompts))


def windowed_image_of(pixels: NDArray[np.float32]) -> WindowedImage:
    return CachedWindowEncoder(WINDOWS, None).of_pixels(pixels)


def galaxies(side: int, *peaks: tuple[float, float, float, float], noise: float = 0.01, seed: int = 0) -> NDArray[np.float32]:
    """Return round galaxies (x, y, standard deviation, peak) on a noisy sky, quantised to 8 bits per colour."""
    rows, columns = np.indices((side, side)) + 0.5
    light = np.full((side, side), 0.02)
    for x, y, width, peak in peaks:
        light += peak * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * width**2))
    noisy = light[..., None] + np.random.default_rng(seed).normal(0, noise, (side, side, 3))
    return (noisy.clip(0, 1) * 255).round().astype(np.float32) / np.float32(255)


def ask(windowed_image: WindowedImage, clicks: list[tuple[float, float, bool]], **more: object) -> Mask:
    selection = predict(SHIPPED, windowed_image, points=[(Point(x, y), positive) for x, y, positive in clicks], **more)
    return np.zeros(windowed_image.size[::-1], bool) if selection is None else selection[0]


def assert_rules(mask: Mask, clicks: list[tuple[float, float, bool]]) -> None:
    last = {(min(int(y), mask.shape[0] - 1), min(int(x), mask.shape[1] - 1)): positive for x, y, positive in clicks}
    assert [bool(mask[place]) for place in last] == list(last.values())
    parts, count = ndimage.label(mask)
    assert set(range(1, count + 1)) == {int(parts[place]) for place, positive in last.items() if positive}


# -- properties of any clicks --


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([48, 64, 100, 150]), st.lists(st.tuples(PLACES, st.booleans()), max_size=5))
def test_a_mask_contains_its_clicks_and_only_connected_parts(
    seed: int, side: int, places: list[tuple[tuple[float, float], bool]]
) -> None:
    windowed_image = windowed_image_of(SCENES.draw(seed, side).image)
    clicks = [(x * side, y * side, positive) for (x, y), positive in places]
    mask = ask(windowed_image, clicks)
    if mask.any():
        first = next(i for i, click in enumerate(clicks) if click[2] and ask(windowed_image, [click]).any())
        assert_rules(mask, [click for click in clicks[:first] if not click[2]] + clicks[first:])
    if not any(positive for _, _, positive in clicks):
        assert not mask.any()


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10_000), PLACES)
def test_a_negative_click_keeps_the_part_on_the_side_of_the_galaxy(seed: int, place: tuple[float, float]) -> None:
    rng = np.random.default_rng(seed)
    at = rng.uniform(30, 66, 2)
    pixels = galaxies(96, (*at, rng.uniform(4, 9), rng.uniform(0.3, 0.9)), seed=seed)
    windowed_image = windowed_image_of(pixels)
    before = ask(windowed_image, [(*at, True)])
    x, y = place[0] * 96, place[1] * 96
    if np.hypot(x - at[0], y - at[1]) < 0.5 * np.sqrt(before.sum() / np.pi):
        return
    after = ask(windowed_image, [(*at, True), (x, y, False)])
    assert (after & before).sum() > 0.6 * before.sum()
    assert_rules(after, [(*at, True), (x, y, False)])


@settings(deadline=None)
@given(
    arrays(np.float32, (24, 24), elements=st.floats(-8, 8, width=32)),
    arrays(np.float32, (24, 24), elements=st.floats(-3, 9, width=32)),
    st.lists(st.tuples(st.floats(0, 23.9), st.floats(0, 23.9), st.booleans()), min_size=1, max_size=5),
)
def test_any_decoded_mask_is_made_to_agree_with_its_clicks(
    logits: NDArray[np.float32], image: NDArray[np.float32], clicks: list[tuple[float, float, bool]]
) -> None:
    """The masks are arbitrary, as of another decoder, for example SAM's."""
    guess = WindowMask(Tile(0, 0, 24, 24, 1.0), torch.from_numpy(logits), 0.5, (24, 24), 24)
    points, positive = np.array([click[:2] for click in clicks], np.float64), np.array([click[2] for click in clicks])
    clicks_on_grid = WindowClicks(points, points, positive, [(x, y) for x, y in points[positive].tolist()])
    isophotes = Isophotes.of(image)
    result = enforce_rules(
        guess, clicks_on_grid, isophotes, guess=torch.zeros(24, 24), before=torch.from_numpy(logits[::-1].copy())
    )
    distinct = list({(int(x), int(y)): (x, y, positive) for x, y, positive in clicks}.values())
    prompt = Prompt.of((24, 24), points=[(Point(x, y), positive) for x, y, positive in distinct])
    assert_rules(enforce_clicks(result.mask(), prompt), distinct)


# -- effect of a click --


@pytest.mark.parametrize("side", [64, 128, 424])
@pytest.mark.parametrize("aside", [-1.5, 1.5])
def test_a_negative_click_on_a_companion_keeps_the_galaxy(side: int, aside: float) -> None:
    middle, width = side / 2, side / 12
    companion = (middle + 3.1 * width, middle)
    pixels = galaxies(side, (middle, middle, width, 0.6), (*companion, width / 3, 0.35))
    windowed_image = windowed_image_of(pixels)
    galaxy = [(middle, middle, True)]
    before = ask(windowed_image, galaxy)
    core = np.hypot(*(np.indices(before.shape) + 0.5 - middle)) < 1.2 * width
    assert before[core].all()
    for distance in (-1.0, 0.5):
        away = (companion[0] + distance * width / 3, middle + aside, False)
        after = ask(windowed_image, [*galaxy, away])
        assert after[core].all()
        assert_rules(after, [*galaxy, away])


def test_the_part_that_a_negative_click_cuts_off_is_removed() -> None:
    """The decoder leaves the core and a ring around it: the part that is connected to the click is a tenth of the mask."""
    rows, columns = np.indices((32, 32)) + 0.5
    radius = np.hypot(rows - 16, columns - 16)
    isophotes = Isophotes.of(np.arcsinh(60 * np.exp(-(radius**2) / 50)).astype(np.float32))
    before, guess = (np.where(inside, 3.0, -3.0) for inside in (radius < 10, (radius < 3.2) | (abs(radius - 8) < 2)))
    points = np.array([(16.0, 16.0), (19.5, 16.5)])
    mask = WindowMask(Tile(0, 0, 32, 32, 1.0), torch.from_numpy(guess).float(), 0.5, (32, 32), 32)
    clicks_on_grid = WindowClicks(points, points, np.array([True, False]), [(16.0, 16.0)])
    logits = torch.from_numpy(before).float()
    result = enforce_rules(mask, clicks_on_grid, isophotes, guess=logits, before=logits)
    assert (result.logits > 0).sum() > 0.5 * (before > 0).sum()


@pytest.mark.skipif(not FRAME.is_file(), reason=f"the frames are not here: {FRAME}")
def test_a_click_on_a_compact_source_of_a_large_frame_is_answered() -> None:
    windowed_image = windowed_image_of(np.asarray(Image.open(FRAME).convert("RGB"), np.float32) / np.float32(255))
    mask = ask(windowed_image, [(1456.5, 801.5, True)])
    assert 0 < mask.sum() < 400


@pytest.mark.parametrize("side", [64, 200, 424])
def test_a_click_on_one_of_two_galaxies_does_not_include_the_other(side: int) -> None:
    rng = np.random.default_rng(side)
    for seed in range(2):
        width = side / rng.uniform(16, 24)
        left, right = (0.3 * side, 0.5 * side), (0.3 * side + 5.5 * width, rng.uniform(0.45, 0.55) * side)
        pixels = galaxies(side, (*left, width, 0.7), (*right, width, 0.5), seed=seed)
        rows, columns = np.indices((side, side)) + 0.5
        windowed_image = windowed_image_of(pixels)
        for first, second in ((left, right), (right, left)):
            mask = ask(windowed_image, [(*first, True)])
            core = np.hypot(columns - second[0], rows - second[1]) < 1.5 * width
            assert mask[int(first[1]), int(first[0])]
            assert (mask & core).sum() < 0.05 * core.sum()


@pytest.mark.parametrize("side", [64, 200, 700])
def test_a_click_on_a_faint_galaxy_is_answered_and_one_on_sky_is_not(side: int) -> None:
    faint = (0.7 * side, 0.6 * side)
    windowed_image = windowed_image_of(galaxies(side, (*faint, max(side / 30, 3), 0.06), noise=0.01))
    for x, y in np.random.default_rng(side).uniform(0, 0.4, (4, 2)) * side:
        assert not ask(windowed_image, [(x, y, True)]).any()
    assert ask(windowed_image, [(*faint, True)])[int(faint[1]), int(faint[0])]


@pytest.mark.parametrize("side", [64, 200, 700])
def test_a_box_around_a_faint_galaxy_is_answered_and_one_on_sky_is_not(side: int) -> None:
    width = max(side / 30, 3)
    faint, reach = (0.7 * side, 0.6 * side), 2 * width
    windowed_image = windowed_image_of(galaxies(side, (*faint, width, 0.06), noise=0.01))
    rng = np.random.default_rng(side)
    for x, y in rng.uniform(0.02, 0.2, (6, 2)) * side:
        assert not ask(windowed_image, [], boxes=[Box(x, y, *rng.uniform(0.1, 0.25, 2) * side)]).any()
    around = Box(faint[0] - reach, faint[1] - reach, 2 * reach, 2 * reach)
    assert ask(windowed_image, [], boxes=[around])[int(faint[1]), int(faint[0])]
    both = ask(windowed_image, [], boxes=[Box(1, 1, side / 5, side / 5), around])
    assert both.any()
    assert not both[: side // 3, : side // 3].any()


def test_a_click_on_a_star_beside_a_large_galaxy_selects_the_star() -> None:
    galaxy, width, star = (450.0, 450.0), 85.0, (634.0, 440.0)
    windowed_image = windowed_image_of(galaxies(1000, (*galaxy, width, 0.6), (*star, 1.6, 0.5)))
    assert 0 < ask(windowed_image, [(*star, True)]).sum() < 300
    for place in (galaxy, (450.0 - 1.4 * width, 450.0)):
        assert ask(windowed_image, [(*place, True)]).sum() > 20_000


@pytest.mark.parametrize("angle", [0.0, 0.5 * np.pi, np.pi])
def test_a_negative_click_on_any_side_removes_a_companion(angle: float) -> None:
    middle, companion, width = (58.0, 58.0), (84.0, 58.0), 4.0
    windowed_image = windowed_image_of(galaxies(128, (*middle, 10.0, 0.6), (*companion, width, 0.4)))
    rows, columns = np.indices((128, 128)) + 0.5
    galaxy, core = (np.hypot(columns - x, rows - y) for x, y in (middle, companion))
    target = (galaxy < 20) | (core < 8)
    edge = (companion[0] + 1.6 * width * np.cos(angle), companion[1] + 1.6 * width * np.sin(angle), False)
    assert target[int(edge[1]), int(edge[0])]
    after = ask(windowed_image, [(*middle, True), edge], mask=target)
    assert (after & (core < 1.2 * width)).sum() < 0.1 * (core < 1.2 * width).sum()
    assert (after & (galaxy < 12)).sum() > 0.9 * (galaxy < 12).sum()
    assert_rules(after, [(*middle, True), edge])


def test_a_negative_click_on_the_neighbour_divides_a_blend_without_a_valley() -> None:
    galaxy, neighbour = (42.0, 48.0), (56.0, 48.0)
    windowed_image = windowed_image_of(galaxies(96, (*galaxy, 6.0, 0.6), (*neighbour, 6.0, 0.5)))
    clicks = [(49.0, 48.0, True), (*galaxy, True), (*neighbour, False)]
    rows, columns = np.indices((96, 96)) + 0.5
    own, other = (np.hypot(columns - x, rows - y) < 3 for x, y in (galaxy, neighbour))
    before, after = ask(windowed_image, clicks[:2]), ask(windowed_image, clicks)
    assert before[own | other].all()
    assert after[own].all()
    assert after[other].mean() < 0.2
    assert_rules(after, clicks)


def test_an_earlier_click_on_sky_changes_nothing() -> None:
    windowed_image = windowed_image_of(galaxies(96, (60, 60, 6, 0.6)))
    alone = ask(windowed_image, [(60, 60, True)])
    assert alone[60, 60]
    assert np.array_equal(ask(windowed_image, [(10, 10, True), (60, 60, True)]), alone)


def test_negative_clicks_alone_give_no_mask() -> None:
    assert not ask(windowed_image_of(galaxies(96, (60, 60, 6, 0.6))), [(60, 60, False), (20, 20, False)]).any()


def test_a_box_gives_one_connected_object_without_its_neighbour() -> None:
    windowed_image = windowed_image_of(galaxies(120, (40, 60, 6, 0.6), (76, 60, 6, 0.6)))
    mask = ask(windowed_image, [], boxes=[Box(22, 42, 36, 36)])
    assert ndimage.label(mask)[1] == 1
    assert (mask[60, 40], mask[60, 76]) == (True, False)


def test_a_drawn_mask_keeps_its_parts_and_gets_no_other_ones() -> None:
    windowed_image = windowed_image_of(galaxies(160, (40, 80, 6, 0.6), (110, 80, 6, 0.6)))
    rows, columns = np.indices((160, 160)) + 0.5
    target = (np.hypot(columns - 40, rows - 80) < 11) | (np.hypot(columns - 110, rows - 80) < 11)
    mask = ask(windowed_image, [(40, 80, True)], mask=target)
    assert (mask[80, 40], mask[80, 110]) == (True, True)
    less = ask(windowed_image, [(40, 80, True), (110, 80, False)], mask=target)
    assert (less[80, 40], less[80, 110]) == (True, False)
    parts, count = ndimage.label(less)
    assert all((target & (parts == part)).any() for part in range(1, count + 1))


def test_the_grid_of_sam_equals_that_of_its_light() -> None:
    assert SAM_CONFIG.points == SAM_CONFIG.shown_px // 4


@given(st.integers(0, 1000), st.sampled_from([17, 40, 128, 300]), st.floats(0, 0.999), st.floats(0, 0.999))
def test_agreement_with_a_click_is_read_from_the_full_mask(seed: int, side: int, x: float, y: float) -> None:
    logits = torch.from_numpy(np.random.default_rng(seed).normal(0, 1, (32, 32)).astype(np.float32))
    mask = WindowMask(Tile(0, 0, side, side, 64 / side), logits, 0.5, (side, side), 64)
    place = int(y * side), int(x * side)
    if abs(float(mask.pixels[place])) > 1e-4:
        assert mask.agrees_with((x * side, y * side), bool(mask.mask()[place]))

"""Fusion: one mask of a first click from the decoder's candidates and the light around the click."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from torch import Tensor

from backend.heads.errors import HeadError
from backend.heads.segmentation.decoding import Candidates
from backend.heads.segmentation.first_guess import FirstGuess
from backend.heads.segmentation.fusion_crop import CELLS, FusionCrop
from backend.heads.segmentation.fusion_inputs import CHANNELS, FusionInputs
from backend.heads.segmentation.fusion_network import FusionNetwork, fuse
from backend.heads.segmentation.isophotes import Isophotes, Spot
from backend.heads.segmentation.lvm_window_encoder import LvmWindows
from backend.heads.segmentation.prompt import Prompt
from backend.heads.segmentation.prompted_masks import PromptedMasks
from backend.heads.segmentation.shipped import BASE_SEGMENTER
from backend.heads.segmentation.simulated_clicks import first_click
from backend.heads.segmentation.window_features import CachedWindowEncoder
from backend.scenes import SurveySceneGenerator
from sync.geometry.overlap import mask_overlap
from sync.geometry.shapes import Point

SIDE = 128
GALAXY, NEIGHBOUR = (54, 64, 6, 60), (70, 64, 4, 40)
MOST_NUMBERS, SCENES = 50_000, 60
LEAST_AREA_PX = 30


def light_of(x: float, y: float, width: float, peak: float) -> NDArray[np.float32]:
    rows, columns = np.indices((SIDE, SIDE)) + 0.5
    light: NDArray[np.float32] = (peak * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * width**2))).astype(np.float32)
    return light


def window_of(*objects: tuple[float, float, float, float]) -> FirstGuess:
    """Return a window with round grey objects of (x, y, width, peak)."""
    light = np.sum([light_of(*each) for each in objects], axis=0, dtype=np.float32)
    grey = torch.from_numpy(np.sqrt(light / 100)).expand(3, -1, -1)
    pixels = torch.cat([grey, torch.from_numpy(np.arcsinh(light))[None]])
    return FirstGuess(Isophotes.of(np.arcsinh(light)), True, pixels)


def inputs_of(window: FirstGuess, spot: Spot, masks: list[NDArray[np.bool_]], quality: list[float]) -> FusionInputs:
    """Return the inputs for four candidate masks and their expected overlaps."""
    logits = torch.from_numpy(np.where(np.stack(masks), 4.0, -4.0).astype(np.float32))[None]
    guess = torch.from_numpy(window.isophotes.guess_from_click(spot))
    return FusionInputs.of(window, spot, Candidates(logits, torch.tensor([quality])), guess)


def overlap(logits: Tensor, truth: NDArray[np.bool_]) -> float:
    inside = (logits > 0).numpy()
    return float((inside & truth).sum() / (inside | truth).sum())


@pytest.fixture(scope="module")
def network() -> FusionNetwork:
    fusion = PromptedMasks.load(BASE_SEGMENTER).fusion
    assert fusion is not None
    return fusion


def blend() -> tuple[FirstGuess, NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Return a window with a blend, and the masks of the blend, the galaxy and the neighbour."""
    galaxy, neighbour = light_of(*GALAXY), light_of(*NEIGHBOUR)
    whole = galaxy + neighbour > 2
    return window_of(GALAXY, NEIGHBOUR), whole, (galaxy > neighbour) & (galaxy > 2), (neighbour > galaxy) & (neighbour > 2)


@pytest.mark.slow
def test_a_click_on_overlapping_galaxies_gives_better_masks_than_the_decoder(windows: LvmWindows) -> None:
    head = PromptedMasks.load(BASE_SEGMENTER)
    overlaps: dict[str, list[float]] = {"decoder": [], "fusion": []}
    for seed in range(SCENES):
        scene = SurveySceneGenerator(companion_share=1.0).draw(seed, SIDE)
        image = CachedWindowEncoder(windows, None).of_pixels(scene.image)
        for mask in scene.masks[scene.is_blended & (scene.overlap >= 0.1) & (scene.masks.sum(axis=(1, 2)) >= LEAST_AREA_PX)]:
            x, y, _ = first_click(mask, np.random.default_rng(seed), jitter=0.15)
            for name, each in (("decoder", replace(head, fusion=None)), ("fusion", head)):
                result = each.predict(image, Prompt.of(image.size, points=[(Point(x, y), True)]))
                overlaps[name].append(0.0 if result is None else mask_overlap(result[0], mask))
    assert len(overlaps["fusion"]) > 12
    assert np.mean(overlaps["fusion"]) > np.mean(overlaps["decoder"]) + 0.04


def test_the_mask_of_a_single_galaxy_is_kept(network: FusionNetwork) -> None:
    truth = light_of(*GALAXY) > 5
    inputs = inputs_of(window_of(GALAXY), GALAXY[:2], [truth] * 4, [0.9] * 4)
    logits, quality = fuse(network, inputs)
    assert overlap(logits, truth) > 0.85
    assert quality > 0.7


def test_an_untrained_network_takes_the_candidate_with_the_highest_quality() -> None:
    window, whole, galaxy, neighbour = blend()
    inputs = inputs_of(window, GALAXY[:2], [whole, galaxy, neighbour, whole], [0.1, 0.9, 0.1, 0.1])
    assert overlap(fuse(FusionNetwork(), inputs)[0], galaxy) > 0.9


def test_a_crop_contains_the_masks_and_keeps_their_shape() -> None:
    truth = light_of(*GALAXY) > 2
    crop = FusionCrop.around((60, 60), torch.from_numpy(truth))
    rows, columns = np.nonzero(truth)
    assert crop.half_side > max(abs(rows - 60).max(), abs(columns - 60).max())
    cells = crop.sample(torch.from_numpy(truth).float()[None])
    assert overlap(crop.enlarge(cells)[0] - 0.5, truth) > 0.9
    assert torch.equal(cells[0], crop.sample_mask(torch.from_numpy(truth)))


def test_cells_outside_the_grid_are_marked_and_hold_no_mask() -> None:
    crop = FusionCrop.around((1, 1), torch.ones(SIDE, SIDE, dtype=torch.bool))
    on_grid, share = crop.is_on_grid(), crop.sample_mask(torch.ones(SIDE, SIDE, dtype=torch.bool))
    assert 0.2 < on_grid.float().mean() < 0.3
    assert not share[: CELLS // 4, : CELLS // 4].any()


@given(x=st.floats(0, SIDE), y=st.floats(0, SIDE), peak=st.floats(0, 1e5), width=st.floats(0.3, 40))
@settings(max_examples=25, deadline=None)
def test_inputs_are_finite_for_any_click(x: float, y: float, peak: float, width: float) -> None:
    window = window_of((64, 64, width, peak))
    inputs = inputs_of(window, (x, y), [light_of(64, 64, width, peak) > 2] * 4, [0.5] * 4)
    assert inputs.cells.shape == (CHANNELS, CELLS, CELLS)
    assert inputs.cells.isfinite().all()
    assert fuse(FusionNetwork(), inputs)[0].isfinite().all()


def test_a_saved_head_keeps_its_fusion(tmp_path: Path, network: FusionNetwork) -> None:
    PromptedMasks.load(BASE_SEGMENTER).save(tmp_path)
    fusion = PromptedMasks.load(tmp_path).fusion
    assert fusion is not None
    assert all(torch.equal(a, b) for a, b in zip(fusion.state_dict().values(), network.state_dict().values(), strict=True))


def test_damaged_weights_of_the_fusion_name_the_folder_and_the_array(tmp_path: Path) -> None:
    PromptedMasks.load(BASE_SEGMENTER).save(tmp_path)
    arrays = load_file(tmp_path / "head.safetensors")
    save_file({name: value for name, value in arrays.items() if name != "fusion.last.weight"}, tmp_path / "head.safetensors")
    with pytest.raises(HeadError, match=rf"{tmp_path} has no array 'fusion.last.weight'"):
        PromptedMasks.load(tmp_path)


def test_the_network_is_small(network: FusionNetwork) -> None:
    assert sum(weights.numel() for weights in network.parameters()) < MOST_NUMBERS

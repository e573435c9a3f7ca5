"""Scenes: their content, which the seed determines completely, and their boxes, which equal those of source extraction."""

from __future__ import annotations

import numpy as np
import pytest

from backend.heads.extraction.extract import extract
from backend.scenes import Scene, SceneGenerator
from sync.geometry.corners import box_edges
from sync.geometry.overlap import box_overlaps

SIMULATED = SceneGenerator()


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [SIMULATED.draw(seed, side=128) for seed in range(40)]


def test_a_scene_has_as_many_boxes_masks_and_kinds(scenes: list[Scene]) -> None:
    for scene in scenes:
        n = len(scene)
        assert scene.image.shape == (128, 128, 3)
        assert scene.image.dtype == np.float32
        assert scene.boxes.shape == (n, 4)
        assert scene.masks.shape == (n, 128, 128)
        assert len(scene.kinds) == len(scene.is_blended) == n


def test_pixels_are_multiples_of_a_grey_level(scenes: list[Scene]) -> None:
    for scene in scenes:
        assert scene.image.min() >= 0
        assert scene.image.max() <= 1
        assert np.allclose(scene.image * 255, np.rint(scene.image * 255), atol=1e-4)


def test_boxes_are_tight_around_masks(scenes: list[Scene]) -> None:
    for scene in scenes:
        for mask, box in zip(scene.masks, scene.boxes, strict=True):
            rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
            assert box.tolist() == [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]


def test_a_galaxy_is_blended_if_its_mask_overlaps_another(scenes: list[Scene]) -> None:
    assert any(scene.is_blended.any() for scene in scenes)
    for scene in scenes:
        meets = [bool((mask & (scene.masks.sum(axis=0) > 1)).any()) for mask in scene.masks]
        assert scene.is_blended.tolist() == meets


def test_equal_seeds_give_equal_scenes() -> None:
    first, repeat, other = SIMULATED.draw(3, side=96), SIMULATED.draw(3, side=96), SIMULATED.draw(4, side=96)
    assert (first.image == repeat.image).all()
    assert (first.masks == repeat.masks).all()
    assert (first.image != other.image).any()


@pytest.mark.slow
def test_many_galaxies_are_small_and_few_are_large() -> None:
    boxes = np.concatenate([SIMULATED.draw(seed).boxes for seed in range(40)])
    longer = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    assert (longer < 25).mean() > 0.4
    assert 0.01 < (longer > 60).mean() < 0.25


@pytest.mark.slow
def test_boxes_of_source_extraction_match_those_of_isolated_galaxies() -> None:
    overlaps = []
    for seed in range(30):
        scene = SIMULATED.draw(seed, side=192)
        alone = ~scene.is_blended & (scene.boxes[:, :2].min(axis=1) > 2) & (scene.boxes[:, 2:].max(axis=1) < 190)
        edges = box_edges([source.box for source in extract(scene.image).sources])
        if alone.any() and len(edges):
            overlaps += box_overlaps(scene.boxes[alone].astype(np.float64), edges).max(axis=1).tolist()
    assert len(overlaps) > 30
    assert np.median(overlaps) > 0.8


def test_there_are_scenes_without_galaxies() -> None:
    assert any(len(SIMULATED.draw(seed, side=64)) == 0 for seed in range(40))


def test_a_scene_that_is_too_small_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least 32 pixels"):
        SIMULATED.draw(0, side=16)


def test_another_stream_draws_other_galaxies() -> None:
    first, second = SIMULATED.draw(3, 96), SceneGenerator(stream=1).draw(3, 96)
    assert not np.array_equal(first.image, second.image)
    assert not {mask.tobytes() for mask in first.masks} & {mask.tobytes() for mask in second.masks}

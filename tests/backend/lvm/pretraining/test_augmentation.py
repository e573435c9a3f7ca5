"""Augmentations: the same galaxy rotated, zoomed, blurred and tinted at random, and always visible."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from backend.lvm.pretraining.augmentation import random_views

SIDE = 32


def galaxies(n: int, side: int = 48) -> Tensor:
    """Return frames with a round galaxy in the middle."""
    away = torch.arange(side) - (side - 1) / 2
    light = torch.exp(-(away[:, None] ** 2 + away[None, :] ** 2) / (2 * 4.0**2))
    return light.expand(n, 3, side, side).clone()


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def test_an_augmented_image_has_the_requested_side_and_range() -> None:
    views = random_views(torch.rand(16, 3, 48, 40), side=SIDE)
    assert views.shape == (16, 3, SIDE, SIDE)
    assert views.isfinite().all()
    assert (views.min() >= 0, views.max() <= 1) == (True, True)


def test_two_augmentations_of_a_frame_differ() -> None:
    frames = galaxies(8)
    assert (random_views(frames, side=SIDE) - random_views(frames, side=SIDE)).abs().amax(dim=(1, 2, 3)).min() > 0.01


def test_equal_seeds_give_equal_augmentations() -> None:
    frames = galaxies(8)
    torch.manual_seed(5)
    first = random_views(frames, side=SIDE)
    torch.manual_seed(5)
    assert torch.equal(first, random_views(frames, side=SIDE))


def test_every_augmentation_contains_the_galaxy() -> None:
    views = random_views(galaxies(64), side=SIDE).mean(dim=1)
    third = slice(SIDE // 3, SIDE - SIDE // 3)
    assert (views[:, third, third].amax(dim=(1, 2)) > 0.5).all()
    assert (views[:, third, third].mean(dim=(1, 2)) > 2 * views.mean(dim=(1, 2))).all()


def test_some_augmentations_remove_the_colour() -> None:
    frames = galaxies(200)
    frames[:, 2] *= 0.3
    views = random_views(frames, side=SIDE)[:, :, SIDE // 2, SIDE // 2]
    share = (views[:, 0] > 2 * views[:, 2]).float().mean()
    assert 0.6 < share < 0.95


def test_augmentation_does_not_change_the_frames() -> None:
    frames = galaxies(4)
    random_views(frames, side=SIDE)
    assert torch.equal(frames, galaxies(4))


def covered_share(views: Tensor) -> Tensor:
    """Return the fraction of each view that is brighter than half the centre of the galaxy, shape (n,)."""
    light = views.mean(dim=1)
    return (light > 0.5 * light.amax(dim=(1, 2), keepdim=True)).float().mean(dim=(1, 2))


def test_frames_with_a_margin_give_a_share_of_wide_views() -> None:
    frames = galaxies(400)
    usual = covered_share(random_views(frames[:, :, 8:40, 8:40], side=SIDE))  # the part of the frame without the margin
    views = covered_share(random_views(frames, side=SIDE, margin=1.5))
    assert 0.1 < (views < usual.min()).float().mean() < 0.35
    assert views.amax() < 1.2 * usual.amax()

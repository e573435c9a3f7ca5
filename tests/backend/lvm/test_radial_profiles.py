"""Radial profiles state brightness, colour, bars and rings by radius, for any orientation of a galaxy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from backend.lvm.radial_profiles import PROFILES, RADII, measure_profiles

SIDE = 96
ROWS, COLUMNS = np.indices((SIDE, SIDE)) - (SIDE - 1) / 2
RADIUS = np.hypot(COLUMNS, ROWS)
DISC = 0.6 * np.exp(-RADIUS / 15)


def profiles(*planes: NDArray[np.float64]) -> torch.Tensor:
    """Return the profiles of one image with these colour planes, or of three equal ones, shape (PROFILES,)."""
    pixels = np.stack(planes if len(planes) == 3 else planes * 3).astype(np.float32)
    (values,) = measure_profiles(torch.from_numpy(pixels)[None])
    return values


def modes(values: torch.Tensor, order: int) -> torch.Tensor:
    """Return the relative amplitudes of a mode, shape (RADII,)."""
    return values[8 * RADII :][: 4 * RADII].reshape(RADII, 4)[:, order - 1]


def test_the_means_of_a_disc_are_its_brightness_at_each_radius() -> None:
    means = profiles(DISC)[:RADII]
    radii = (np.arange(RADII) + 0.5) / RADII * SIDE / 2
    assert means[1:].numpy() == pytest.approx(np.sqrt(0.6 * np.exp(-radii / 15))[1:], rel=0.03)


def test_a_ring_is_a_maximum_of_the_brightness() -> None:
    ring = DISC + 0.3 * np.exp(-(((RADIUS - 30) / 3) ** 2))
    excess = profiles(ring)[:RADII] - profiles(DISC)[:RADII]
    assert int(excess.argmax()) == 7  # 30 px of 48 px, in circles of 4 px


def test_a_bar_is_the_second_mode_with_one_direction() -> None:
    bar = DISC + 0.5 * np.exp(-((COLUMNS / 20) ** 2) - (ROWS / 4) ** 2)
    values = profiles(bar)
    assert modes(values, 2)[2:6].min() > 5 * modes(profiles(DISC), 2).max()
    assert modes(values, 2)[3] > 3 * modes(values, 1)[3]
    cosines = values[12 * RADII :][: RADII - 1]
    assert cosines[1:4].min() > 0.9


def test_a_redder_centre_has_a_colour_gradient() -> None:
    values = profiles(DISC + 0.3 * np.exp(-RADIUS / 4), DISC, DISC)
    red_minus_blue = values[6 * RADII :][:RADII]
    assert red_minus_blue[0] > 0.1
    assert abs(float(red_minus_blue[-1])) < 0.01


def test_a_turned_or_mirrored_galaxy_has_the_same_profiles() -> None:
    spiral = DISC * (1.2 + np.cos(2 * (np.arctan2(ROWS, COLUMNS) - RADIUS / 12)))
    values = profiles(spiral, 0.8 * spiral, 0.5 * spiral)
    assert values.shape == (PROFILES,)
    for view in (np.rot90(spiral), spiral[:, ::-1]):
        assert profiles(view, 0.8 * view, 0.5 * view).numpy() == pytest.approx(values.numpy(), abs=2e-3)


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_an_image_without_a_galaxy_has_finite_profiles(level: float) -> None:
    assert torch.isfinite(profiles(np.full((SIDE, SIDE), level))).all()

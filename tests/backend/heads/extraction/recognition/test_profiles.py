"""Profiles of candidates do not depend on the orientation of the image."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from backend.heads.extraction.recognition.patches import CHANNELS, LEVELS, SIDE_PX
from backend.heads.extraction.recognition.profiles import PROFILE_LENGTH, profiles_of


def patch_of(radius: float, *, peak: float = 60.0) -> torch.Tensor:
    """Return the patches of a round source in a near window, with its own segment."""
    rows, columns = np.mgrid[:SIDE_PX, :SIDE_PX] - SIDE_PX // 2
    light = peak * np.exp(-(rows**2 + columns**2) / (2 * radius**2))
    patch = np.zeros((1, CHANNELS, SIDE_PX, SIDE_PX), np.int8)
    patch[:, :3] = light
    patch[:, 3:5] = (light > 10) * LEVELS
    return torch.from_numpy(patch)


def test_profiles_are_finite_and_have_their_length() -> None:
    noise = torch.randint(-127, 127, (5, CHANNELS, SIDE_PX, SIDE_PX), dtype=torch.int8)
    profiles = profiles_of(torch.cat([noise, torch.zeros_like(noise)]))
    assert profiles.shape == (10, PROFILE_LENGTH)
    assert profiles.isfinite().all()


def test_a_mirrored_source_has_the_same_profile() -> None:
    patch = patch_of(2.0)
    patch[:, :3, 14:16, 20:24] = 40  # a neighbour
    assert profiles_of(patch).numpy() == pytest.approx(profiles_of(patch.transpose(2, 3)).numpy(), abs=1e-4)


def test_a_wider_source_has_another_profile() -> None:
    assert (profiles_of(patch_of(1.2)) - profiles_of(patch_of(2.5))).abs().max() > 0.5

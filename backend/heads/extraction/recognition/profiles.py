"""Profiles: numbers that describe a candidate whichever way the image is turned, from its two windows.

They are means, extremes and scatter of brightness and masks in rings around the peak, colours, the difference from the image
turned by half a turn, and second moments. A star has the profile of the point spread function; beside a fragment, one side of
a ring is brighter than the peak.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from backend.heads.extraction.recognition.patches import LEVELS, SIDE_PX, WIDE

__all__ = ["PROFILE_LENGTH", "profiles_of"]

NEAR_EDGES_PX = (0.0, 0.9, 1.6, 2.3, 3.2, 4.5, 6.2, 8.5, 11.5, 15.5)
WIDE_EDGES_PX = (12.0, 20.0, 32.0, 46.0, 62.0)
COLOUR_RINGS = 5
MOMENT_RADII_PX = (3.2, 6.2)
PROFILE_LENGTH = 103


def profiles_of(patches: Tensor) -> Tensor:
    """Return the profiles of candidates, shape (n, PROFILE_LENGTH), from patches of int8, shape (n, CHANNELS, side, side)."""
    values = patches.float().flatten(2) / LEVELS
    near, wide = _rings(NEAR_EDGES_PX, 1.0, 0.0), _rings(WIDE_EDGES_PX, float(WIDE), 2.0)
    grey, far_grey = values[:, :3].mean(dim=1), values[:, 5:8].mean(dim=1)
    parts = [*_ring_parts(grey, near), *_ring_parts(far_grey, wide)]
    parts += [values[:, channel] @ _mean_weights(near) for channel in (3, 4)]
    parts += [values[:, channel] @ _mean_weights(wide) for channel in (8, 9)]
    for first, second in ((0, 1), (1, 2)):
        parts.append(((values[:, first] - values[:, second]) @ _mean_weights(near))[:, :COLOUR_RINGS])
    square = grey.reshape(-1, SIDE_PX, SIDE_PX)
    difference = torch.zeros_like(square)
    inner = square[:, 1:, 1:]  # the peak is in its middle
    difference[:, 1:, 1:] = (inner - inner.flip(1, 2)).abs()
    parts.append(difference.flatten(1) @ _mean_weights(near))
    parts += [_moments(grey * (values[:, 3] > 0), radius) for radius in MOMENT_RADII_PX]
    return torch.cat(parts, dim=1)


def _ring_parts(grey: Tensor, rings: Tensor) -> list[Tensor]:
    """Return mean, scatter, maximum and minimum in each ring, each of shape (n, rings)."""
    weights = _mean_weights(rings)
    mean = grey @ weights
    scatter = (grey.square() @ weights - mean.square()).clamp(min=0).sqrt()
    members = [grey[:, ring] for ring in rings]
    highest, lowest = (torch.stack([pick(each, dim=1) for each in members], dim=1) for pick in (torch.amax, torch.amin))
    return [mean, scatter, highest, lowest]


def _moments(grey: Tensor, radius: float) -> Tensor:
    """Return size, elongation and offset of the light within a radius of the peak, shape (n, 3), pixels."""
    y, x = _grid()
    light = torch.sinh(grey.clamp(0, 7)) * (torch.hypot(x, y) < radius)
    total = light.sum(dim=1).clamp(min=1e-6)
    mean_x, mean_y = (light @ x) / total, (light @ y) / total
    xx, yy = (light @ x.square()) / total - mean_x.square(), (light @ y.square()) / total - mean_y.square()
    xy = (light @ (x * y)) / total - mean_x * mean_y
    size = (xx + yy).clamp(min=0).sqrt()
    elongation = torch.hypot(xx - yy, 2 * xy) / (xx + yy).clamp(min=1e-3)
    return torch.stack([size, elongation, torch.hypot(mean_x, mean_y)], dim=1)


@cache
def _grid() -> tuple[Tensor, Tensor]:
    """Return rows and columns of the pixels of a window, from the peak, each of shape (side * side,)."""
    rows, columns = np.mgrid[:SIDE_PX, :SIDE_PX] - SIDE_PX // 2
    return torch.from_numpy(rows.ravel()).float(), torch.from_numpy(columns.ravel()).float()


@cache
def _rings(edges: tuple[float, ...], pixel: float, shift: float) -> Tensor:
    """Return which pixels lie in each ring, shape (rings, side * side); `shift` is from the peak to a pixel's middle."""
    y, x = _grid()
    distance = torch.hypot(x * pixel + shift, y * pixel + shift)
    return torch.stack([(distance >= low) & (distance < high) for low, high in pairwise(edges)])


def _mean_weights(rings: Tensor) -> Tensor:
    """Return the weights of the mean of each ring, shape (side * side, rings)."""
    return (rings / rings.sum(dim=1, keepdim=True)).T.contiguous()

"""Random augmentations of galaxies for self-supervised training, which keep the galaxy recognisable.

Rotation, mirroring, a small shift, zoom, seeing (blur), noise, and mild changes of brightness and colour; never a crop without
the galaxy. All augmentations are applied to batches of tensors.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.transforms.functional import gaussian_blur

__all__ = ["random_views"]

ZOOM = (0.7, 1.1)
"""Side of an augmented view as a fraction of the side of the product's crop."""
WIDE_SHARE = 0.3
"""Share of the views that show the surroundings of the galaxy, if the frames do."""
SHIFT = 0.06
"""Largest shift of the centre, as a fraction of half the frame."""
SEEING = (0.005, 0.02)
"""Standard deviation of the blur, as a fraction of the side of a view."""
NOISE = 0.04
"""Largest standard deviation of the added noise, brightness."""


def random_views(frames: Tensor, *, side: int, margin: float = 1.0) -> Tensor:
    """Draw one random augmented view of each frame.

    Parameters
    ----------
    frames : Tensor, shape (n, 3, height, width)
        Brightness in [0, 1], galaxy in the middle.
    side : int
        Side of a view, pixels.
    margin : float
        Width of a frame in widths of the product's crop. Above the largest zoom, a share `WIDE_SHARE` of the views are wider
        than that zoom, up to the whole frame.

    Returns
    -------
    Tensor, shape (n, 3, side, side)
        Brightness in [0, 1].
    """
    n, device = len(frames), frames.device
    angle = torch.rand(n, device=device) * 2 * math.pi
    zoom = torch.empty(n, device=device).uniform_(*ZOOM)
    if margin > ZOOM[1]:
        is_wide = torch.rand(n, device=device) < WIDE_SHARE
        zoom = torch.where(is_wide, torch.empty(n, device=device).uniform_(ZOOM[1], margin), zoom) / margin
    mirror = torch.randint(0, 2, (n,), device=device) * 2.0 - 1.0
    cosine, sine = zoom * angle.cos(), zoom * angle.sin()
    shift = torch.empty(n, 2, device=device).uniform_(-SHIFT, SHIFT)
    affine = torch.stack(
        [
            torch.stack([cosine * mirror, -sine, shift[:, 0]], dim=1),
            torch.stack([sine * mirror, cosine, shift[:, 1]], dim=1),
        ],
        dim=1,
    )
    grid = functional.affine_grid(affine, [n, 3, side, side], align_corners=False)
    views = functional.grid_sample(frames, grid, mode="bilinear", padding_mode="reflection", align_corners=False)

    is_blurred = torch.rand(n, device=device) < 0.3
    if is_blurred.any():
        sigma = float(torch.empty(1).uniform_(*SEEING)) * side
        views[is_blurred] = gaussian_blur(views[is_blurred], 2 * math.ceil(2 * sigma) + 1, sigma)
    gain = torch.empty(n, 1, 1, 1, device=device).uniform_(0.8, 1.25) * torch.empty(n, 3, 1, 1, device=device).uniform_(
        0.9, 1.1
    )
    # Surveys differ mainly in colour: one view in five becomes grey.
    grey = (torch.rand(n, device=device) < 0.2).view(n, 1, 1, 1)
    views = torch.where(grey, views.mean(dim=1, keepdim=True).expand_as(views), views)
    noise = torch.randn_like(views) * torch.empty(n, 1, 1, 1, device=device).uniform_(0, NOISE)
    return (views * gain + noise).clamp(0, 1)

"""Reconstruction: the input is corrupted first, and a decoder that reconstructs it well has a low loss."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from backend.lvm.pretraining.objectives.reconstruction import BLOCK_PX, Reconstruction, corrupt


def test_a_corrupted_image_keeps_its_size_and_range() -> None:
    torch.manual_seed(0)
    corrupted_images = corrupt(torch.rand(4, 3, 64, 48))
    assert corrupted_images.shape == (4, 3, 64, 48)
    assert (corrupted_images.min() >= 0, corrupted_images.max() <= 1) == (True, True)


def test_whole_blocks_are_masked() -> None:
    torch.manual_seed(0)
    views = torch.full((64, 3, 64, 64), 0.5)
    off = (corrupt(views) - views).abs().mean(dim=1)
    blocks = off.unfold(1, BLOCK_PX, BLOCK_PX).unfold(2, BLOCK_PX, BLOCK_PX).mean(dim=(-1, -2)).flatten()
    is_masked = blocks > 0.15
    assert 0.2 < is_masked.float().mean() < 0.5
    assert blocks[~is_masked].max() < 0.1


def test_a_perfect_reconstruction_has_no_loss() -> None:
    class Perfect(nn.Module):
        def forward(self, pyramid: tuple[Tensor, ...]) -> Tensor:
            return pyramid[0].sqrt()

    clean = torch.rand(2, 3, 8, 8)
    objective = Reconstruction(Perfect())  # type: ignore[arg-type]
    assert objective((clean,), clean) == 0
    assert objective((torch.zeros_like(clean),), clean) > 0.3

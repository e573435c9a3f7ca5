"""Training examples from a project: annotated masks, each in one of the windows in which a click on it is decoded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from backend.heads.errors import NotEnoughLabels
from backend.heads.segmentation.grid import on_grid
from backend.heads.segmentation.network import SegmenterConfig
from backend.heads.segmentation.training import WindowExample
from backend.heads.segmentation.window_features import WindowedImage
from backend.heads.segmentation.windows import nearest_window, window_around
from backend.lvm.tiles import Tile
from sync.geometry.footprint import Footprint

__all__ = ["endless_examples", "example_of"]

LEAST_POINTS = 12
"""Smallest number of grid points of a further mask in the window of an example."""


def endless_examples(
    images: Sequence[WindowedImage], masks: Sequence[Sequence[Footprint]], *, config: SegmenterConfig, seed: int
) -> Iterator[WindowExample]:
    """Yield examples of all masks in random order, endlessly; each in its tightest window or in the next larger one.

    Parameters
    ----------
    images : sequence of WindowedImage
    masks : for each image, a sequence of Footprint
        At least one in total.
    config : SegmenterConfig
        Shape of the network.
    seed : int
        Random seed of the order and the windows.

    Raises
    ------
    NotEnoughLabels
        If no mask covers a point of the decoder's grid.
    """
    rng = np.random.default_rng(seed)
    pairs = [(image, mask) for image, masks_of_image in enumerate(masks) for mask in range(len(masks_of_image))]
    has_example = True
    while has_example:
        has_example = False
        for pair in rng.permutation(len(pairs)).tolist():
            image, mask_index = pairs[pair]
            example = example_of(images[image], masks[image], mask_index, config=config, rng=rng)
            if example is not None:
                has_example = True
                yield example
    raise NotEnoughLabels(f"none of the {len(pairs)} masks is large enough to train on")


def example_of(
    image: WindowedImage, masks: Sequence[Footprint], mask_index: int, *, config: SegmenterConfig, rng: np.random.Generator
) -> WindowExample | None:
    """Return one mask of an image in a window in which a click on it is decoded, with the other masks there.

    None if the mask covers no point of the decoder's grid by half.
    """
    window = _window(image, masks[mask_index], rng)
    shares = torch.stack([on_grid(mask.pixels, window, config=config, x=mask.x, y=mask.y) for mask in masks])
    visible = (shares >= 0.5).sum(dim=(1, 2)) >= LEAST_POINTS
    visible[mask_index] = bool((shares[mask_index] >= 0.5).any())
    return WindowExample(image.encode(window), shares[visible]) if visible[mask_index] else None


def _window(image: WindowedImage, mask: Footprint, rng: np.random.Generator) -> Tile:
    box = mask.box
    edges = (box.x, box.y, box.x + box.width, box.y + box.height)
    tightest = window_around(edges, image.size, sides=image.sides, shown_px=image.shown_px)
    side = round(image.shown_px / tightest.scale)
    larger = [other for other in image.sides if other >= side]
    middle = ((edges[0] + edges[2]) / 2, (edges[1] + edges[3]) / 2)
    return nearest_window(int(rng.choice(larger[-2:])), middle, image.size, shown_px=image.shown_px)

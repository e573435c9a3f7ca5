"""Examples from a project: masks that people drew, each in the windows in which it would be asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from backend.heads.errors import NotEnoughLabels
from backend.heads.segmentation.grid import on_grid
from backend.heads.segmentation.network import SegmenterConfig
from backend.heads.segmentation.training import Example
from backend.heads.segmentation.window_features import WindowedImage
from backend.heads.segmentation.windows import nearest_window, window_around
from backend.lvm.tiles import Tile
from sync.geometry.footprint import Footprint

__all__ = ["endless_examples", "example_of"]

LEAST_POINTS = 12
"""A mask that covers fewer points of the decoder's grid is not asked for in a window."""


def endless_examples(
    window_encoder: Sequence[WindowedImage], masks: Sequence[Sequence[Footprint]], *, config: SegmenterConfig, seed: int
) -> Iterator[Example]:
    """Every picture's masks in random order, over and over: the tightest window of one, or a larger one that holds it.

    Parameters
    ----------
    masks : for each picture, a sequence of Footprint
        At least one in all.
    """
    rng = np.random.default_rng(seed)
    places = [(picture, mask) for picture, some in enumerate(masks) for mask in range(len(some))]
    taught = True
    while taught:
        taught = False
        for place in rng.permutation(len(places)).tolist():
            picture, chosen = places[place]
            example = example_of(window_encoder[picture], masks[picture], chosen, config=config, rng=rng)
            if example is not None:
                taught = True
                yield example
    raise NotEnoughLabels(f"none of the {len(places)} masks is large enough to learn from")


def example_of(
    windowed_image: WindowedImage, masks: Sequence[Footprint], chosen: int, *, config: SegmenterConfig, rng: np.random.Generator
) -> Example | None:
    """One mask of a picture in a window in which it would be asked for, with the others that are seen there.

    None where it covers no point of the decoder's grid.
    """
    window = _window(windowed_image, masks[chosen], rng)
    shares = torch.stack([on_grid(mask.pixels, window, config=config, x=mask.x, y=mask.y) for mask in masks])
    seen_well = (shares >= 0.5).sum(dim=(1, 2)) >= LEAST_POINTS
    seen_well[chosen] = bool((shares[chosen] >= 0.5).any())
    return Example(windowed_image.encode(window), shares[seen_well]) if seen_well[chosen] else None


def _window(windowed_image: WindowedImage, mask: Footprint, rng: np.random.Generator) -> Tile:
    box = mask.box
    edges = (box.x, box.y, box.x + box.width, box.y + box.height)
    tightest = window_around(edges, windowed_image.size, sides=windowed_image.sides, shown_px=windowed_image.shown_px)
    side = round(windowed_image.shown_px / tightest.scale)
    larger = [one for one in windowed_image.sides if one >= side]
    middle = ((edges[0] + edges[2]) / 2, (edges[1] + edges[3]) / 2)
    return nearest_window(int(rng.choice(larger[-2:])), middle, windowed_image.size, shown_px=windowed_image.shown_px)

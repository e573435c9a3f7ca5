"""Training of the network of the detector on cached feature maps, in steps with about the same number of pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from backend.heads.detection.fcos.network import DetectorNetwork
from backend.heads.training import Report, Schedule, Training, run_training
from backend.lvm.feature_maps import FeaturePyramid, Levels
from backend.lvm.tiles import Tile
from sync.geometry.shapes import Size

__all__ = ["TileExample", "examples_of", "train_network"]

LEAST_SHARE = 0.5
"""Smallest fraction of a box inside a tile with which the box is an object of the tile."""
LEAST_SIDE_PX = 2.0
LARGEST_GRADIENT = 10.0


@dataclass(frozen=True, slots=True, eq=False)
class TileExample:
    """One tile and its objects.

    Attributes
    ----------
    levels : callable
        Reads the feature maps of the tile, which are not kept in memory.
    size : (width, height)
        Size of the scaled tile, the encoder's input, pixels.
    boxes : Tensor, shape (n, 4)
        Left, top, right, bottom, in pixels of the scaled tile.
    labels : Tensor of int64, shape (n,)
    """

    levels: Callable[[], Levels]
    size: Size
    boxes: Tensor
    labels: Tensor


def examples_of(pyramid: FeaturePyramid, boxes: Tensor, labels: Tensor) -> list[TileExample]:
    """Return one example for each tile of an image with an object; for an image without objects, its coarsest tile.

    Parameters
    ----------
    pyramid : FeaturePyramid
        Feature maps of the image.
    boxes : Tensor, shape (n, 4)
        Left, top, right, bottom, in pixels of the image; they are clipped to the image, and empty boxes are left out.
    labels : Tensor of int64, shape (n,)
        Index of the class of each box.
    """
    examples = []
    for tile in pyramid.tiles:
        inside, indices = _within(tile, boxes)
        large = (boxes[indices, 2:] - boxes[indices, :2]).amax(dim=1) >= tile.least_side
        if large.any():
            examples.append(TileExample(_reader(pyramid, tile), tile.scaled_size, inside, labels[indices]))
    coarsest = pyramid.tiles[-1]
    return examples or [TileExample(_reader(pyramid, coarsest), coarsest.scaled_size, boxes[:0], labels[:0])]


def train_network(
    network: DetectorNetwork,
    examples: Sequence[TileExample],
    schedule: Schedule,
    *,
    seed: int = 0,
    report: Report | None = None,
) -> DetectorNetwork:
    """Train a network in place; return it, frozen.

    Parameters
    ----------
    network : DetectorNetwork
    examples : sequence of TileExample
        At least one.
    schedule : Schedule
        A step takes examples until they have `batch` pixels in total, or until all examples are taken.
    seed : int
        Random seed of the order of the examples.
    report : callable, optional
        Called after each step with its number and its loss.

    Raises
    ------
    ValueError
        If there is no example.
    """
    if not examples:
        raise ValueError("a detector needs at least one example")
    training = Training(network, schedule, loss=_loss_of, weight_decay=1e-4, largest_gradient=LARGEST_GRADIENT, seed=seed)
    return run_training(training, _batches(examples, schedule.batch, seed), report=report)


def _loss_of(network: DetectorNetwork, example: TileExample, _: np.random.Generator) -> Tensor:
    return network.losses(example.levels(), example.boxes, example.labels)


def _batches(examples: Sequence[TileExample], pixels: int, seed: int) -> Iterator[list[TileExample]]:
    """Yield batches of examples in random order, endlessly, with about `pixels` pixels each."""
    generator = np.random.default_rng(seed)
    batch: list[TileExample] = []
    while True:
        for index in generator.permutation(len(examples)).tolist():
            batch.append(examples[index])
            if sum(width * height for width, height in (example.size for example in batch)) >= pixels or len(batch) >= len(
                examples
            ):
                yield batch
                batch = []


def _reader(pyramid: FeaturePyramid, tile: Tile) -> Callable[[], Levels]:
    return lambda: pyramid.levels(tile)


def _within(tile: Tile, boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Clip boxes to a tile; return those with a large part inside, in pixels of the scaled tile, and their indices."""
    width, height = tile.scaled_size
    tile_boxes = tile.from_image(boxes)
    limit = torch.tensor([width, height, width, height], dtype=boxes.dtype)
    inside = torch.minimum(tile_boxes.clamp(min=0), limit)
    sides = inside[:, 2:] - inside[:, :2]
    share = sides.prod(dim=1) / (tile_boxes[:, 2:] - tile_boxes[:, :2]).prod(dim=1).clamp(min=1e-6)
    finite = torch.isfinite(boxes).all(dim=1)
    indices = ((sides >= LEAST_SIDE_PX).all(dim=1) & (share >= LEAST_SHARE) & finite).nonzero()[:, 0]
    return inside[indices], indices

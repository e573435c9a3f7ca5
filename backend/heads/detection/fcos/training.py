"""Training of the detector's network on feature maps that lie on disk: few steps, each over about the same number of pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from backend.heads.detection.fcos.network import DetectorNetwork
from backend.lvm.feature_maps import Levels, PicturePyramid
from backend.lvm.tiles import Tile
from sync.geometry.shapes import Size

__all__ = ["Example", "Schedule", "examples_of", "train_network"]

LEAST_SHARE = 0.5
"""A box of which less lies in a tile is not asked for there."""
LEAST_SIDE_PX = 2.0
LARGEST_GRADIENT = 10.0


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """One tile, and the objects that lie in it.

    Attributes
    ----------
    levels : callable
        Reads its feature maps: they are not held between two looks.
    size : (width, height)
        As looked at, pixels.
    boxes : Tensor, shape (n, 4)
        Left, top, right, bottom, pixels as looked at.
    labels : Tensor of int64, shape (n,)
    """

    levels: Callable[[], Levels]
    size: Size
    boxes: Tensor
    labels: Tensor


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how boldly to learn.

    Attributes
    ----------
    steps : int
    rate : float
        AdamW's highest learning rate, reached after a tenth of the steps; a cosine lets it fall to nothing.
    step_pixels : int
        A step looks at images until it has seen as many pixels.
    """

    steps: int
    rate: float
    step_pixels: int = 4 * 256**2


def examples_of(look: PicturePyramid, boxes: Tensor, labels: Tensor) -> list[Example]:
    """One example for each tile of a picture that has an object for it; for a picture without any, its coarsest tile.

    Parameters
    ----------
    look : PicturePyramid
    boxes : Tensor, shape (n, 4)
        Left, top, right, bottom, in pixels of the picture; what lies outside is cut off, what is left of nothing is left out.
    labels : Tensor of int64, shape (n,)
    """
    found = []
    for tile in look.tiles:
        inside, kept = _within(tile, boxes)
        large = (boxes[kept, 2:] - boxes[kept, :2]).amax(dim=1) >= tile.least_side
        if large.any():
            found.append(Example(_reader(look, tile), tile.shown, inside, labels[kept]))
    coarsest = look.tiles[-1]
    return found or [Example(_reader(look, coarsest), coarsest.shown, boxes[:0], labels[:0])]


def train_network(
    network: DetectorNetwork,
    examples: Sequence[Example],
    schedule: Schedule,
    *,
    seed: int = 0,
    report: Callable[[int, float], None] | None = None,
) -> DetectorNetwork:
    """Train a network in place.

    Parameters
    ----------
    seed : int
        Of the order of the examples.
    report : callable, optional
        Called after each step with its number, from 1, and its loss.

    Returns
    -------
    DetectorNetwork
        The same, ready to find.
    """
    if not examples:
        raise ValueError("a detector needs at least one example to learn from")
    network.train().requires_grad_(True)
    optimiser = torch.optim.AdamW(network.parameters(), lr=schedule.rate, weight_decay=1e-4)
    rates = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=schedule.rate, total_steps=schedule.steps + 1, pct_start=0.1, cycle_momentum=False
    )
    order = _endless(examples, seed)
    for step in range(1, schedule.steps + 1):
        batch: list[Example] = []
        pixels = 0
        while pixels < schedule.step_pixels and len(batch) < max(len(examples), 1):
            batch.append(next(order))
            pixels += batch[-1].size[0] * batch[-1].size[1]
        optimiser.zero_grad()
        total = 0.0
        for example in batch:
            loss = network.losses(example.levels(), example.boxes, example.labels) / len(batch)
            loss.backward()  # type: ignore[no-untyped-call]
            total += float(loss.detach())
        torch.nn.utils.clip_grad_norm_(network.parameters(), LARGEST_GRADIENT)
        optimiser.step()
        rates.step()
        if report is not None:
            report(step, total)
    return network.eval().requires_grad_(False)


def _endless(examples: Sequence[Example], seed: int) -> Iterator[Example]:
    generator = np.random.default_rng(seed)
    while True:
        for index in generator.permutation(len(examples)).tolist():
            yield examples[index]


def _reader(look: PicturePyramid, tile: Tile) -> Callable[[], Levels]:
    return lambda: look.levels(tile)


def _within(tile: Tile, boxes: Tensor) -> tuple[Tensor, Tensor]:
    """The part of each box that lies in a tile, in pixels as looked at, and which boxes lie there with enough of themselves."""
    width, height = tile.shown
    moved = tile.from_picture(boxes)
    limit = torch.tensor([width, height, width, height], dtype=boxes.dtype)
    inside = torch.minimum(moved.clamp(min=0), limit)
    sides = inside[:, 2:] - inside[:, :2]
    share = sides.prod(dim=1) / (moved[:, 2:] - moved[:, :2]).prod(dim=1).clamp(min=1e-6)
    finite = torch.isfinite(boxes).all(dim=1)
    kept = ((sides >= LEAST_SIDE_PX).all(dim=1) & (share >= LEAST_SHARE) & finite).nonzero()[:, 0]
    return inside[kept], kept

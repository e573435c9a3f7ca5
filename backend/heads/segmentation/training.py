"""Training of the segmenter: objects outlined by people or known from scenes are clicked, mended and boxed as people would.

Each example is prompted in rounds, as SAM was trained: a first click or a box gives a mask, clicks on what is wrong mend it.
The first and the last round teach.

References
----------
Kirillov et al. (2023), Segment Anything, ICCV, appendix A; Milletari et al. (2016), V-Net, 3DV (dice loss); Lin et al. (2017),
Focal loss for dense object detection, ICCV.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torchvision.ops import sigmoid_focal_loss

from backend.heads.segmentation.decoding import NO_POINT, SURE, Candidates, WindowPrompts, decode
from backend.heads.segmentation.first_guess import Guide
from backend.heads.segmentation.network import SegmenterNetwork
from backend.heads.segmentation.simulated_clicks import Click, first_click, next_click
from backend.heads.segmentation.window_features import WindowFeatures
from sync.geometry.footprint import mask_bounds
from sync.geometry.shapes import Mask

__all__ = ["Example", "Schedule", "Training", "train_network"]

OBJECTS_AT_ONCE = 5
BOX_SHARE = 0.35
"""Of the examples, those prompted with boxes."""
MORE_CLICKS = 4
"""At most so many clicks follow the first prompt."""
FOCAL_WEIGHT, QUALITY_WEIGHT = 10.0, 1.0
BOX_JITTER = 0.06
DRAWN_SHARE = 0.15
"""Of the masks that are mended, those shown as a person draws: without any doubt."""
LARGEST_GRADIENT = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """One window, and objects that lie in it.

    Attributes
    ----------
    seen : tuple of Tensor
        What the window encoder gives.
    masks : Tensor of float32, shape (n, points, points)
        Share of each point's pixels that is the object's, 0 to 1.
    """

    seen: WindowFeatures
    masks: Tensor


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how boldly to learn.

    Attributes
    ----------
    steps : int
    rate : float
        AdamW's highest learning rate, reached after a tenth of the steps; a cosine lets it fall to nothing.
    examples : int
        Windows a step.
    """

    steps: int
    rate: float
    examples: int = 4


class Training:
    """A training under way, one step at a time, so that a long one can be kept and gone on with.

    Parameters
    ----------
    network : SegmenterNetwork
        Trained in place.
    seed : int
        Of the simulated clicks.
    """

    def __init__(self, network: SegmenterNetwork, schedule: Schedule, *, seed: int = 0) -> None:
        self.network = network.train().requires_grad_(True)
        self.done = 0
        self._seed = seed
        self._optimiser = torch.optim.AdamW(network.parameters(), lr=schedule.rate, weight_decay=1e-3)
        self._rates = torch.optim.lr_scheduler.OneCycleLR(
            self._optimiser, max_lr=schedule.rate, total_steps=schedule.steps + 1, pct_start=0.1, cycle_momentum=False
        )

    def step(self, examples: Sequence[Example]) -> float:
        """Learn from some examples; returns the loss."""
        rng = np.random.default_rng([self._seed, self.done])
        self._optimiser.zero_grad()
        loss = sum(_teach(self.network, example, rng, share=1 / len(examples)) for example in examples)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), LARGEST_GRADIENT)
        self._optimiser.step()
        self._rates.step()
        self.done += 1
        return loss

    def state(self) -> dict[str, Any]:
        """All that `restore` needs, for `torch.save`."""
        return {
            "done": self.done,
            "network": self.network.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "rates": self._rates.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from where `state` was taken."""
        self.network.load_state_dict(state["network"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._rates.load_state_dict(state["rates"])
        self.done = state["done"]


def train_network(
    network: SegmenterNetwork,
    examples: Iterator[Example],
    schedule: Schedule,
    *,
    seed: int = 0,
    report: Callable[[int, float], None] | None = None,
) -> SegmenterNetwork:
    """Train a network in place.

    Parameters
    ----------
    examples : iterator of Example
        Endless.
    seed : int
        Of the simulated clicks.
    report : callable, optional
        Called after each step with its number, from 1, and its loss.

    Returns
    -------
    SegmenterNetwork
        The same, ready to decode.
    """
    training = Training(network, schedule, seed=seed)
    for step in range(1, schedule.steps + 1):
        loss = training.step([next(examples) for _ in range(schedule.examples)])
        if report is not None:
            report(step, loss)
    return network.eval().requires_grad_(False)


def _teach(network: SegmenterNetwork, example: Example, rng: np.random.Generator, *, share: float) -> float:
    """Prompt one example in rounds and add its gradients; returns its share of the loss."""
    wanted = example.masks[rng.permutation(len(example.masks))[:OBJECTS_AT_ONCE].tolist()]
    solid = (wanted >= 0.5).numpy()
    pixels = network.config.shown_px / network.config.points
    clicks: list[list[Click | None]] = [[_first(mask, rng)] for mask in solid]
    boxes = _boxes(solid, rng) if rng.random() < BOX_SHARE else None
    guide = Guide.of(network, example.seen)
    if boxes is None:
        first = WindowPrompts(*_points(clicks, pixels), guesses=guide.clicked([asked[0] for asked in clicks]))
    else:
        clicks = [[] for _ in solid]
        first = WindowPrompts(*_points(clicks, pixels), boxes * pixels, guide.boxed(boxes))
    embedding = network.embed(example.seen)
    candidates = decode(network, embedding, first)
    loss = _loss(candidates, wanted)
    rounds = int(rng.integers(0, MORE_CLICKS + 1))
    base = shown = candidates.best()[0].detach()
    if rng.random() < DRAWN_SHARE:
        base = shown = SURE * base.sign()
    for left in range(rounds, 0, -1):
        for asked, mask, target in zip(clicks, (shown > 0).numpy(), solid, strict=True):
            asked.append(next_click(mask, target, rng, jitter=0.3))
        with torch.set_grad_enabled(left == 1):
            mended = WindowPrompts(*_points(clicks, pixels), first.boxes, guide.mended(base, clicks))
            candidates = decode(network, embedding, mended)
        shown = candidates.best()[0].detach()
    if rounds:
        loss = (loss + _loss(candidates, wanted)) / 2
    (share * loss).backward()  # type: ignore[no-untyped-call]
    return share * float(loss.detach())


def _loss(candidates: Candidates, wanted: Tensor) -> Tensor:
    """Dice and focal loss of the best candidate and of the first one, and how wrong the expected overlaps are; a scalar."""
    target = wanted[:, None].expand_as(candidates.logits)
    likely = candidates.logits.sigmoid()
    shared = (likely * target).sum(dim=(2, 3))
    dice = 1 - (2 * shared + 1) / (likely.sum(dim=(2, 3)) + target.sum(dim=(2, 3)) + 1)
    focal = sigmoid_focal_loss(candidates.logits, target, alpha=-1).mean(dim=(2, 3))
    wrong = dice + FOCAL_WEIGHT * focal
    with torch.no_grad():
        found, there = candidates.logits > 0, target >= 0.5
        overlap = (found & there).sum(dim=(2, 3)) / (found | there).sum(dim=(2, 3)).clamp(min=1)
    outlines = wrong.min(dim=1).values.mean() + wrong[:, 0].mean()
    loss: Tensor = outlines + QUALITY_WEIGHT * functional.mse_loss(candidates.quality, overlap)
    return loss


def _points(clicks: Sequence[Sequence[Click | None]], pixels: float) -> tuple[Tensor, Tensor]:
    """Clicks on the grid of a mask as points of the window, which has `pixels` for each of its points, and their labels."""
    rows = [[click or (0.0, 0.0, None) for click in asked] for asked in clicks]
    points = torch.tensor([[(x, y) for x, y, _ in asked] for asked in rows]).reshape(len(rows), -1, 2) * pixels
    labels = torch.tensor([[NO_POINT if sign is None else int(sign) for _, _, sign in asked] for asked in rows])
    return points, labels.reshape(len(rows), -1)


def _first(mask: Mask, rng: np.random.Generator) -> Click:
    """Mostly near the middle, sometimes anywhere on the object."""
    return first_click(mask, rng, jitter=0.25 if rng.random() < 0.7 else 1.0)


def _boxes(solid: NDArray[np.bool_], rng: np.random.Generator) -> Tensor:
    """Boxes around masks, shape (n, points, points), as people and detectors draw them: shape (n, 4), points."""
    found = []
    for mask in solid:
        edges = np.asarray(mask_bounds(mask), dtype=np.float64)
        sides = np.tile(edges[2:] - edges[:2], 2)
        found.append((edges + rng.normal(0, BOX_JITTER, 4) * sides + rng.normal(0, 0.5, 4)).clip(0, len(mask)))
    return torch.from_numpy(np.stack(found).astype(np.float32))

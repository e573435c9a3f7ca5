"""Training of the segmenter with simulated clicks and boxes on objects with known outlines.

Each example is prompted in rounds, as in the training of SAM: a first click or a box gives a mask, and clicks on its errors
refine it. The loss is the mean of the losses of the first and the last round.

References
----------
Kirillov et al. (2023), Segment Anything, ICCV, appendix A; Milletari et al. (2016), V-Net, 3DV (dice loss); Lin et al. (2017),
Focal loss for dense object detection, ICCV.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torchvision.ops import sigmoid_focal_loss

from backend.heads.segmentation.decoding import DRAWN_LOGIT, NO_POINT, Candidates, WindowPrompts, decode
from backend.heads.segmentation.first_guess import FirstGuess
from backend.heads.segmentation.network import SegmenterNetwork
from backend.heads.segmentation.simulated_clicks import Click, first_click, next_click
from backend.heads.segmentation.window_features import WindowFeatures
from backend.heads.training import Report, Schedule, Training, run_training
from sync.geometry.footprint import mask_bounds
from sync.geometry.shapes import Mask

__all__ = ["WindowExample", "begin_training", "train_network"]

OBJECTS_AT_ONCE = 5
BOX_SHARE = 0.35
"""Fraction of the examples that are prompted with boxes."""
MORE_CLICKS = 4
"""Largest number of clicks after the first prompt."""
FOCAL_WEIGHT, QUALITY_WEIGHT = 10.0, 1.0
BOX_JITTER = 0.06
DRAWN_SHARE = 0.15
"""Fraction of the examples whose first mask is replaced with a drawn one, whose logits are -`DRAWN_LOGIT` or `DRAWN_LOGIT`."""
LARGEST_GRADIENT = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class WindowExample:
    """One window and its objects.

    Attributes
    ----------
    features : tuple of Tensor
        Features of the window, from the window encoder.
    masks : Tensor of float32, shape (n, points, points)
        Fraction of each grid point that the object covers, 0 to 1.
    """

    features: WindowFeatures
    masks: Tensor


def begin_training(
    network: SegmenterNetwork, schedule: Schedule, *, seed: int = 0
) -> Training[SegmenterNetwork, WindowExample]:
    """Start a training of a network, in place; `seed` is the random seed of the simulated clicks."""
    return Training(network, schedule, loss=_prompted_loss, weight_decay=1e-3, largest_gradient=LARGEST_GRADIENT, seed=seed)


def train_network(
    network: SegmenterNetwork,
    examples: Iterator[WindowExample],
    schedule: Schedule,
    *,
    seed: int = 0,
    report: Report | None = None,
) -> SegmenterNetwork:
    """Train a network in place; return it, frozen.

    Parameters
    ----------
    network : SegmenterNetwork
    examples : iterator of WindowExample
        Endless; a step takes `schedule.batch` examples.
    schedule : Schedule
    seed : int
        Random seed of the simulated clicks.
    report : callable, optional
        Called after each step with its number and its loss.
    """
    batches = iter(lambda: list(islice(examples, schedule.batch)), [])
    return run_training(begin_training(network, schedule, seed=seed), batches, report=report)


def _prompted_loss(network: SegmenterNetwork, example: WindowExample, rng: np.random.Generator) -> Tensor:
    """Prompt one example in rounds; return the mean loss of the first and the last round, a scalar."""
    targets = example.masks[rng.permutation(len(example.masks))[:OBJECTS_AT_ONCE].tolist()]
    solid = (targets >= 0.5).numpy()
    pixels = network.config.shown_px / network.config.points
    clicks: list[list[Click | None]] = [[_first_click(mask, rng)] for mask in solid]
    boxes = _draw_boxes(solid, rng) if rng.random() < BOX_SHARE else None
    guess = FirstGuess.of(network, example.features)
    if boxes is None:
        first = WindowPrompts(*_prompt_points(clicks, pixels), guesses=guess.from_clicks(np.concatenate(_arrays(clicks)[0])))
    else:
        clicks = [[] for _ in solid]
        first = WindowPrompts(*_prompt_points(clicks, pixels), boxes * pixels, guess.from_boxes(boxes))
    embedding = network.embed(example.features)
    candidates = decode(network, embedding, first)
    loss = _mask_loss(candidates, targets)
    rounds = int(rng.integers(0, MORE_CLICKS + 1))
    start = shown_masks = candidates.select_best()[0].detach()
    if rng.random() < DRAWN_SHARE:
        start = shown_masks = DRAWN_LOGIT * start.sign()
    for left in range(rounds, 0, -1):
        for mask_clicks, mask, target in zip(clicks, (shown_masks > 0).numpy(), solid, strict=True):
            mask_clicks.append(next_click(mask, target, rng, jitter=0.3))
        with torch.set_grad_enabled(left == 1):
            refined_guesses = guess.refine(start, *_arrays(clicks))
            candidates = decode(
                network, embedding, WindowPrompts(*_prompt_points(clicks, pixels), first.boxes, refined_guesses)
            )
        shown_masks = candidates.select_best()[0].detach()
    return (loss + _mask_loss(candidates, targets)) / 2 if rounds else loss


def _mask_loss(candidates: Candidates, masks: Tensor) -> Tensor:
    """Return the sum of dice and focal loss of the best and the first candidate, and the error of the overlaps, a scalar."""
    target = masks[:, None].expand_as(candidates.logits)
    likely = candidates.logits.sigmoid()
    intersection = (likely * target).sum(dim=(2, 3))
    dice = 1 - (2 * intersection + 1) / (likely.sum(dim=(2, 3)) + target.sum(dim=(2, 3)) + 1)
    focal = sigmoid_focal_loss(candidates.logits, target, alpha=-1).mean(dim=(2, 3))
    losses = dice + FOCAL_WEIGHT * focal
    with torch.no_grad():
        inside, solid = candidates.logits > 0, target >= 0.5
        overlap = (inside & solid).sum(dim=(2, 3)) / (inside | solid).sum(dim=(2, 3)).clamp(min=1)
    outlines = losses.min(dim=1).values.mean() + losses[:, 0].mean()
    loss: Tensor = outlines + QUALITY_WEIGHT * functional.mse_loss(candidates.quality, overlap)
    return loss


def _prompt_points(clicks: Sequence[Sequence[Click | None]], pixels: float) -> tuple[Tensor, Tensor]:
    """Return clicks as points of the scaled window, which has `pixels` pixels per grid point, and their labels."""
    rows = [[click or (0.0, 0.0, None) for click in mask_clicks] for mask_clicks in clicks]
    points = torch.tensor([[(x, y) for x, y, _ in mask_clicks] for mask_clicks in rows]).reshape(len(rows), -1, 2) * pixels
    labels = torch.tensor([[NO_POINT if sign is None else int(sign) for _, _, sign in mask_clicks] for mask_clicks in rows])
    return points, labels.reshape(len(rows), -1)


def _arrays(clicks: Sequence[Sequence[Click | None]]) -> tuple[list[NDArray[np.float64]], list[NDArray[np.bool_]]]:
    """Return the clicks of each object as points, shape (k, 2), and signs, shape (k,), without missing ones."""
    existing = [[click for click in mask_clicks if click is not None] for mask_clicks in clicks]
    points: list[NDArray[np.float64]] = [
        np.array([click[:2] for click in mask_clicks], np.float64).reshape(-1, 2) for mask_clicks in existing
    ]
    return points, [np.array([click[2] for click in mask_clicks], bool) for mask_clicks in existing]


def _first_click(mask: Mask, rng: np.random.Generator) -> Click:
    """Return a click near the middle of an object in most cases, otherwise anywhere on it."""
    return first_click(mask, rng, jitter=0.25 if rng.random() < 0.7 else 1.0)


def _draw_boxes(solid: NDArray[np.bool_], rng: np.random.Generator) -> Tensor:
    """Return boxes around masks, shape (n, points, points), with errors like those of annotators and detectors: (n, 4)."""
    boxes = []
    for mask in solid:
        edges = np.asarray(mask_bounds(mask), dtype=np.float64)
        sides = np.tile(edges[2:] - edges[:2], 2)
        boxes.append((edges + rng.normal(0, BOX_JITTER, 4) * sides + rng.normal(0, 0.5, 4)).clip(0, len(mask)))
    return torch.from_numpy(np.stack(boxes).astype(np.float32))

"""Train the network that fuses the candidate masks of a first click, and save it in the shipped segmenter.

Run: OMP_NUM_THREADS=1 .venv/bin/python -m benchmarks.shipped_weights.segmenter_fusion DATA --examples FOLDER
(DATA holds masks/, fields/, hst_cosmos/ and structure_priors/: docs/scenes.md)

The decoder of the shipped segmenter does not change: train this network again after each training of it. FOLDER keeps the
examples, so that the script continues where it was stopped; examples of another decoder must be deleted. They are clicks on
windows of the `train` part only. The script prints the overlaps on the `val` part with and without the network.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor, nn
from torch.nn import functional

from backend.heads.network_weights import round_weights
from backend.heads.segmentation.decoding import Candidates, WindowPrompts, decode
from backend.heads.segmentation.first_guess import FirstGuess
from backend.heads.segmentation.fusion_crop import CELLS
from backend.heads.segmentation.fusion_inputs import CHANNELS, LOGIT_SCALE, MASKS, FusionInputs
from backend.heads.segmentation.fusion_network import FusionNetwork, fuse_logits
from backend.heads.segmentation.lvm_window_encoder import LvmWindows
from backend.heads.segmentation.network import SegmenterNetwork
from backend.heads.segmentation.prompted_masks import PromptedMasks
from backend.heads.segmentation.shipped import BASE_SEGMENTER
from backend.heads.segmentation.simulated_clicks import first_click
from backend.heads.segmentation.training import WindowExample
from backend.lvm.checkpoint import SHIPPED_CHECKPOINT, fingerprint, load_encoder
from benchmarks.shipped_weights.base_segmenter import print_overlaps
from benchmarks.shipped_weights.base_segmenter_examples import Mix, Windows
from sync.files.atomic import atomic_write
from sync.geometry.shapes import Mask

MIX = Mix(outlines=0.25, survey=0.7, overlapping=0.6)
BLOCKS, SEEDS_A_BLOCK, FIRST_SEED = 226, 25, 60_000_000
LEAST_POINTS, OBJECTS, CLICKS_AN_OBJECT = 12, 3, 2
NEAR_SHARE, NEAR_JITTER, FAR_JITTER = 0.7, 0.15, 0.4
"""Share and standard deviation of clicks near the middle of an object, as those of annotators, and deviation of the others."""
TOUCHING_POINTS, TOUCHING_SHARE, TOUCHING_WEIGHT = 2, 0.05, 2.0
"""An object counts this many times if this share of the border around it, of this width, belongs to another object."""
STEPS, BATCH, RATE, WEIGHT_DECAY, LARGEST_GRADIENT = 4000, 32, 3e-3, 1e-3, 1.0
QUALITY_WEIGHT = 0.2
REPORTED_EVERY = 200


@dataclass(frozen=True, slots=True, eq=False)
class FusionExamples:
    """Clicks and true masks on crops.

    Attributes
    ----------
    cells : ndarray of float16, shape (n, CHANNELS, CELLS, CELLS)
        Inputs of the network.
    truths : ndarray of float16, shape (n, CELLS, CELLS)
        Share of each cell that the object covers.
    weights : ndarray of float16, shape (n,)
        How often an example is drawn, relative to others.
    """

    cells: NDArray[np.float16]
    truths: NDArray[np.float16]
    weights: NDArray[np.float16]


def main(data: Path, *, examples: Path) -> None:
    """Record examples, train the network, save it, and print its overlaps."""
    torch.set_num_threads(1)
    encoder = LvmWindows(load_encoder(SHIPPED_CHECKPOINT), fingerprint=fingerprint(SHIPPED_CHECKPOINT))
    head, windows, began = replace(PromptedMasks.load(BASE_SEGMENTER), fusion=None), Windows(data, encoder), time.monotonic()
    files = [examples / f"{number:03d}.npz" for number in range(BLOCKS)]
    for number, file in enumerate(files):
        if not file.exists():
            write_examples(file, record_examples(head.network, windows, number))
            print(f"{file.name} {time.monotonic() - began:.0f} s", flush=True)
    fused_head = replace(head, fusion=round_weights(train(read_examples(files))))
    fused_head.save(BASE_SEGMENTER)
    print_overlaps(data, encoder, {"best candidate": head, "fusion": fused_head}, title="fusion")


@torch.no_grad()
def record_examples(network: SegmenterNetwork, windows: Windows, block: int) -> FusionExamples:
    """Click on the objects of the windows of one block of seeds."""
    cells, truths, weights = [], [], []
    first = FIRST_SEED + block * SEEDS_A_BLOCK
    for seed in range(first, first + SEEDS_A_BLOCK):
        example = windows.draw(seed, MIX)
        if example is None:
            continue
        for inputs, truth, weight in _clicks(network, example, np.random.default_rng([78, seed])):
            cells.append(inputs.cells.half().numpy())
            truths.append(inputs.crop.sample_mask(truth).half().numpy())
            weights.append(weight)
    return FusionExamples(np.stack(cells), np.stack(truths), np.array(weights, np.float16))


def _clicks(
    network: SegmenterNetwork, example: WindowExample, rng: np.random.Generator
) -> Iterator[tuple[FusionInputs, Tensor, float]]:
    """Yield the inputs of clicks on the objects of a window, the true mask on the grid, and the weight of the example."""
    solid = (example.masks >= 0.5).numpy()
    visible = [index for index, mask in enumerate(solid) if mask.sum() >= LEAST_POINTS][:OBJECTS]
    objects = [index for index in visible for _ in range(CLICKS_AN_OBJECT)]
    if not objects:
        return
    window = FirstGuess.of(network, example.features)
    spots = np.array([_click(solid[index], rng) for index in objects])
    shown_points = torch.from_numpy(spots.astype(np.float32))[:, None] * (network.config.shown_px / network.config.points)
    guesses = window.from_clicks(spots)
    prompts = WindowPrompts(shown_points, torch.ones(len(spots), 1), guesses=guesses)
    candidates = decode(network, network.embed(example.features), prompts)
    for place, (index, spot) in enumerate(zip(objects, spots.tolist(), strict=True)):
        own = Candidates(candidates.logits[place, None], candidates.quality[place, None])
        guess = torch.from_numpy(window.isophotes.guess_from_click((spot[0], spot[1])))
        inputs = FusionInputs.of(window, (spot[0], spot[1]), own, guess)
        yield inputs, torch.from_numpy(solid[index]), TOUCHING_WEIGHT if _touches(solid, index) else 1.0


def _click(mask: Mask, rng: np.random.Generator) -> tuple[float, float]:
    """Return a spot on an object, at any place within a point of the grid."""
    x, y, _ = first_click(mask, rng, jitter=NEAR_JITTER if rng.random() < NEAR_SHARE else FAR_JITTER)
    x, y = x + rng.uniform(-0.5, 0.5), y + rng.uniform(-0.5, 0.5)
    return min(max(x, 0.01), len(mask) - 0.01), min(max(y, 0.01), len(mask) - 0.01)


def _touches(masks: NDArray[np.bool_], index: int) -> bool:
    """Return whether other objects lie around an object."""
    border = ndimage.binary_dilation(masks[index], iterations=TOUCHING_POINTS) & ~masks[index]
    others = np.delete(masks, index, axis=0).any(axis=0)
    return bool((border & others).sum() > TOUCHING_SHARE * border.sum())


def write_examples(file: Path, examples: FusionExamples) -> None:
    """Write the examples of a block."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(file) as stream:
        np.savez(stream, **{field.name: getattr(examples, field.name) for field in fields(FusionExamples)})


def read_examples(files: list[Path]) -> FusionExamples:
    """Read the examples of blocks into one array of each kind, block by block: they are 2 GB."""
    weights = [np.load(file)["weights"] for file in files]
    count, start = sum(map(len, weights)), 0
    cells = np.empty((count, CHANNELS, CELLS, CELLS), np.float16)
    truths = np.empty((count, CELLS, CELLS), np.float16)
    for file, weights_of_file in zip(files, weights, strict=True):
        part = slice(start, start + len(weights_of_file))
        with np.load(file) as archive:
            cells[part], truths[part] = archive["cells"], archive["truths"]
        start += len(weights_of_file)
    return FusionExamples(cells, truths, np.concatenate(weights))


def train(examples: FusionExamples, *, seed: int = 0) -> FusionNetwork:
    """Return a network that is trained on examples, in random orientations."""
    torch.manual_seed(seed)
    rng, network, began = np.random.default_rng(seed), FusionNetwork(), time.monotonic()
    optimiser = torch.optim.AdamW(network.parameters(), RATE, weight_decay=WEIGHT_DECAY)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=STEPS, pct_start=0.1)
    chances, losses = examples.weights.astype(np.float64) / examples.weights.sum(dtype=np.float64), []
    for step in range(1, STEPS + 1):
        indices = np.sort(rng.choice(len(chances), BATCH, p=chances))
        turns, is_mirrored = int(rng.integers(4)), bool(rng.integers(2))
        cells, truths = (_turn(array[indices], turns, is_mirrored) for array in (examples.cells, examples.truths))
        loss = fusion_loss(network, cells, truths)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), LARGEST_GRADIENT)
        optimiser.step()
        rates.step()
        losses.append(float(loss.detach()))
        if step % REPORTED_EVERY == 0:
            print(f"step {step} loss {np.mean(losses[-REPORTED_EVERY:]):.3f} {time.monotonic() - began:.0f} s", flush=True)
    return network


def fusion_loss(network: FusionNetwork, cells: Tensor, truths: Tensor) -> Tensor:
    """Return the dice loss and the cross entropy of fused masks, and the error of their expected overlaps, a scalar."""
    maps, quality = network(cells)
    logits = fuse_logits(maps, cells[:, MASKS] * LOGIT_SCALE)
    likely = logits.sigmoid()
    intersection = (likely * truths).sum(dim=(1, 2))
    dice = 1 - (2 * intersection + 1) / (likely.sum(dim=(1, 2)) + truths.sum(dim=(1, 2)) + 1)
    entropy = functional.binary_cross_entropy_with_logits(logits, truths)
    inside, solid = logits.detach() > 0, truths > 0.5
    overlap = (inside & solid).sum(dim=(1, 2)) / (inside | solid).sum(dim=(1, 2)).clamp(min=1)
    return dice.mean() + entropy + QUALITY_WEIGHT * functional.mse_loss(quality, overlap)


def _turn(maps: NDArray[np.float16], turns: int, is_mirrored: bool) -> Tensor:
    """Return maps, the last two axes of an array, in one of eight orientations."""
    turn = torch.from_numpy(maps).float().rot90(turns, (-2, -1))
    return turn.flip(-1) if is_mirrored else turn


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Train the network that fuses the candidate masks of a first click.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--examples", type=Path, required=True, help="folder of the examples, to continue from")
    options = parser.parse_args()
    main(options.data, examples=options.examples)

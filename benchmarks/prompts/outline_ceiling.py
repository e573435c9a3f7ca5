"""Upper limit of the overlap of isophotes with annotators' outlines: one level for all galaxies, and the best one of each.

Run: OMP_NUM_THREADS=1 .venv/bin/python -m benchmarks.prompts.outline_ceiling DATA
(a minute; DATA holds masks/: docs/scenes.md)

A method that outlines by brightness without the true outline stays below the second figure. The script reads the train and val
parts only; each galaxy is clicked by two simulated annotators as in `benchmarks/prompts/run.py`, and the area beyond a valley
is left out as in the first guess.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from backend.heads.segmentation.isophote_settings import SETTINGS
from backend.heads.segmentation.isophotes import Isophotes
from backend.heads.segmentation.lvm_window_encoder import LvmWindows
from backend.heads.segmentation.simulated_clicks import first_click
from backend.lvm.checkpoint import SHIPPED_CHECKPOINT, fingerprint, load_encoder
from backend.lvm.tiles import Tile
from backend.scenes.folders import Part
from benchmarks.prompts.clicking import JITTER
from benchmarks.shipped_weights.base_segmenter_examples import Outlined, outlined_galaxies
from sync.geometry.overlap import mask_overlap

LEVELS = np.geomspace(0.02, 0.8, 60)
"""Isophote levels, as fractions of the galaxy's peak."""
HANDS = 2


def main(data: Path) -> None:
    """Measure and print the table."""
    torch.set_num_threads(1)
    encoder = LvmWindows(load_encoder(SHIPPED_CHECKPOINT), fingerprint=fingerprint(SHIPPED_CHECKPOINT))
    table = Table("part", "galaxies", "best level for all", "its mean IoU", "mean IoU of each one's best", title="isophotes")
    parts: tuple[Part, ...] = ("train", "val")
    for part in parts:
        galaxies = outlined_galaxies(data, part)
        overlaps = np.array([by_level(encoder, galaxy, hand) for galaxy in galaxies for hand in range(HANDS)])
        best = int(overlaps.mean(axis=0).argmax())
        row = f"{LEVELS[best]:.2f}", f"{overlaps[:, best].mean():.3f}", f"{overlaps.max(axis=1).mean():.3f}"
        table.add_row(part, str(len(galaxies)), *row)
    Console().print(table)


def by_level(encoder: LvmWindows, galaxy: Outlined, hand: int) -> NDArray[np.float64]:
    """Return the overlap of the outline and the isophote at each level, shape (len(LEVELS),)."""
    height, width = galaxy.mask.shape
    side, points = max(height, width), encoder.config.points
    features = encoder.encode(galaxy.pixels, Tile(0, 0, width, height, encoder.shown_px / side))
    isophotes = Isophotes.of(features[-1][0, -1].numpy())
    x, y, _ = first_click(galaxy.mask, np.random.default_rng(hand), jitter=JITTER)
    guess = isophotes.guess_from_click((x * points / side, y * points / side))
    least = -SETTINGS.largest_logit
    # The guess is the logarithm of brightness relative to the default level: another level shifts its zero.
    overlaps = []
    for level in LEVELS:
        shift = SETTINGS.slope * np.log(level / SETTINGS.isophote)
        logits = torch.from_numpy(np.where(guess > least, guess - shift, least))[None, None].float()
        fine = torch.nn.functional.interpolate(logits, size=(side, side), mode="bilinear")[0, 0, :height, :width] > 0
        overlaps.append(mask_overlap(fine.numpy(), galaxy.mask))
    return np.array(overlaps)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    main(parser.parse_args().data)

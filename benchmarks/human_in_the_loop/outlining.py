"""Time of an annotator to outline galaxies: drawing each, clicking on each, and correcting what galaxyloop has predicted.

Run: OMP_NUM_THREADS=1 .venv/bin/python -m benchmarks.human_in_the_loop.outlining DATA [--part val|test] [--write]

The objects are annotators' outlines of real galaxies (masks/) and galaxies of simulated scenes. A predicted mask is accepted
from an overlap of `ENOUGH` on. Otherwise the annotator deletes it and clicks, at most `MOST_CLICKS` times, until the mask is
good enough, and draws the outline if it never is. Each predicted mask of a scene that shows no object is deleted.

The costs are stated, not measured. `ACCEPT_S` and `CLICK_S` are published ones (1.6 s to verify a box: Papadopoulos et al.
2016, CVPR; 2.4 s for a first click: Bearman et al. 2016, ECCV). `DRAW_S` is a third of the 79 s of an outline in COCO (Lin
et al. 2014, ECCV), since galaxies have simple outlines.

How the cost grows. One prediction for each image, and up to five for each object that is not accepted: minutes for both sets.

What it does not show. Other costs of an annotator, such as finding faint galaxies; heads that were fine-tuned in the project.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from backend.heads.extraction.extract import extract
from backend.heads.segmentation.prompted_masks import PromptedMasks
from backend.heads.segmentation.shipped import open_segmenter
from backend.lvm.checkpoint import SHIPPED_CHECKPOINT, fingerprint, load_encoder
from benchmarks.human_in_the_loop.sets import PARTS
from benchmarks.prompts.clicking import click_through, prompt_of_clicks
from benchmarks.prompts.objects import StoredImage, outlines, scenes
from benchmarks.report import machine_line, markdown_table, write_numbers, write_section
from sync.geometry.overlap import mask_overlap
from sync.geometry.shapes import Mask

ACCEPT_S, CLICK_S, DELETE_S, DRAW_S = 1.6, 2.4, 1.6, 26.0
"""Stated cost of each action, seconds. To look at a predicted mask costs `ACCEPT_S`; a click includes looking at its mask."""
ENOUGH, MOST_CLICKS = 0.85, 5
SCENES = 40
SAMPLES = 1_000

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds for each image.

    Attributes
    ----------
    objects : int
    accepted_objects : int
        Number of objects whose predicted mask is accepted.
    drawing, clicking, correcting : float
        To draw every outline; to click on every object; to correct the predicted masks.
    """

    objects: int
    accepted_objects: int
    drawing: float
    clicking: float
    correcting: float


def main() -> None:
    """Measure both sets, print the table, and write it if asked."""
    parser = argparse.ArgumentParser(description="Time to outline galaxies.")
    parser.add_argument("data", type=Path, help="folder that holds masks/ and fields/")
    parser.add_argument("--part", choices=PARTS, default="val")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    segmenter = open_segmenter(
        load_encoder(SHIPPED_CHECKPOINT), fingerprint=fingerprint(SHIPPED_CHECKPOINT), sam_checkpoint=None
    )
    groups = {
        "outlines of real galaxies": (outlines(options.data, options.part, segmenter.windows), False),
        "scenes": (list(scenes(options.data, options.part, segmenter.windows, count=SCENES)), True),
    }
    overlaps = {
        name: [_times(segmenter.base, image, seed, complete=complete) for seed, image in enumerate(images)]
        for name, (images, complete) in groups.items()
    }
    rows = [_row(name, times) for name, times in overlaps.items()]
    columns = ["set", "objects", "accepted as predicted", "drawn, s", "clicked, s", "corrected, s", "times faster than drawing"]
    table = markdown_table(columns, rows, title="Seconds per object under the stated costs")
    print(table)
    if options.write:
        write_section("human_in_the_loop_outlining", f"{options.part} part, {machine_line()}.\n\n{table}")
        numbers = {name: dict(zip(columns[1:], row[1:], strict=True)) for name, row in zip(overlaps, rows, strict=True)}
        write_numbers("human_in_the_loop_outlining", {"machine": machine_line(), "part": options.part} | numbers)


def _times(head: PromptedMasks, image: StoredImage, seed: int, *, complete: bool) -> Times:
    """Return the times of one image; `complete` if all its objects are known, so that other predictions are wrong."""
    boxes = [source.box for source in extract(image.pixels).sources]
    masks = [mask.mask() for mask in head.outline(image.windowed_image, boxes)] if boxes else []
    drawing = clicking = correcting = 0.0
    accepted_count = 0
    for number, mask in enumerate(image.masks):
        overlap = max((mask_overlap(other, mask) for other in masks), default=0.0)
        clicks = _clicks_s(head, image, mask, seed=100 * seed + number)
        drawing += DRAW_S
        clicking += clicks
        accepted_count += overlap >= ENOUGH
        correcting += ACCEPT_S if overlap >= ENOUGH else ACCEPT_S + (DELETE_S if overlap > 0 else 0.0) + clicks
    if complete:
        correcting += DELETE_S * sum(all(mask_overlap(other, mask) == 0 for mask in image.masks) for other in masks)
    return Times(len(image.masks), accepted_count, drawing, clicking, correcting)


def _clicks_s(head: PromptedMasks, image: StoredImage, mask: Mask, *, seed: int) -> float:
    """Return the seconds until clicks, or else drawing, give a mask that is good enough."""

    def segment(clicks: Sequence[tuple[float, float, bool]]) -> Mask:
        answer = head.predict(image.windowed_image, prompt_of_clicks(image.windowed_image, clicks))
        return np.zeros(mask.shape, bool) if answer is None else answer[0]

    overlaps = click_through(segment, mask, clicks=MOST_CLICKS, seed=seed, enough=ENOUGH).overlaps
    return CLICK_S * len(overlaps) + (0.0 if max(overlaps) >= ENOUGH else DRAW_S)


def _row(name: str, times: Sequence[Times]) -> list[str]:
    table = np.array(
        [(entry.objects, entry.accepted_objects, entry.drawing, entry.clicking, entry.correcting) for entry in times]
    )
    objects, accepted_count, drawing, clicking, correcting = table.sum(axis=0)
    generator = np.random.default_rng(0)
    samples = table[generator.integers(0, len(table), (SAMPLES, len(table)))].sum(axis=1)
    low, high = np.quantile(samples[:, 2] / samples[:, 4], [0.025, 0.975])
    seconds = [f"{total / objects:.1f}" for total in (drawing, clicking, correcting)]
    return [
        name,
        f"{objects:.0f}",
        f"{accepted_count / objects:.0%}",
        *seconds,
        f"{drawing / correcting:.1f} ({low:.1f} to {high:.1f})",
    ]


if __name__ == "__main__":
    main()

"""Fit the shipped segmenter on scenes, survey scenes and annotators' outlines, and save it in the shipped heads.

Run: OMP_NUM_THREADS=1 .venv/bin/python -m benchmarks.shipped_weights.base_segmenter DATA
(DATA holds masks/, fields/, hst_cosmos/ and structure_priors/: docs/scenes.md)

It is trained on windows of the `train` part only. The script prints the overlaps on the `val` part, with those of the untrained
head, which is the first guess by isophotes. `benchmarks.prompts.run` reports the `test` part. An interrupted run continues from
its last checkpoint in .cache, written every hundred steps. The saved head has no fusion of candidate masks, which fits
one decoder only: `benchmarks.shipped_weights.segmenter_fusion` trains it.
"""

from __future__ import annotations

import argparse
import copy
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from backend.heads.network_weights import round_weights
from backend.heads.segmentation.lvm_window_encoder import LvmWindows
from backend.heads.segmentation.prompted_masks import PromptedMasks
from backend.heads.segmentation.shipped import BASE_SEGMENTER
from backend.heads.segmentation.simulated_clicks import Click
from backend.heads.segmentation.training import begin_training
from backend.heads.segmentation.window_features import CachedWindowEncoder
from backend.heads.training import Schedule
from backend.lvm.checkpoint import SHIPPED_CHECKPOINT, fingerprint, load_encoder
from backend.scenes.exposures import SurveySceneGenerator
from backend.scenes.folders import generator_of, survey_generator_of
from backend.scenes.generator import SceneGenerator
from benchmarks.prompts.clicking import click_through, prompt_of_clicks
from benchmarks.shipped_weights.base_segmenter_examples import Mix, Windows, outlined_galaxies
from sync.files.atomic import atomic_write
from sync.geometry.shapes import Mask

SCENES_AND_OUTLINES, SURVEYS = Mix(outlines=0.5, survey=0.0), Mix(outlines=0.3, survey=0.6)
MORE_OUTLINES, BALANCED = Mix(outlines=0.6, survey=0.3), Mix(outlines=0.5, survey=0.45)
"""After the survey stages, masks of real galaxies were too wide (val)."""
OVERLAPPING = Mix(outlines=0.38, survey=0.58, overlapping=0.75)
OVERLAPPING_AND_OUTLINES = Mix(outlines=0.6, survey=0.38, overlapping=0.75)
STAGES = (
    (Schedule(steps=1800, rate=6e-4, batch=2), SCENES_AND_OUTLINES),
    (Schedule(steps=1000, rate=5e-4, batch=2), SCENES_AND_OUTLINES),
    (Schedule(steps=600, rate=4e-4, batch=2), SCENES_AND_OUTLINES),
    (Schedule(steps=1800, rate=4e-4, batch=2), SURVEYS),
    (Schedule(steps=400, rate=2e-4, batch=2), SURVEYS),
    (Schedule(steps=200, rate=1.5e-4, batch=2), MORE_OUTLINES),
    (Schedule(steps=1600, rate=2e-4, batch=2), BALANCED),
    (Schedule(steps=5000, rate=3e-4, batch=2), OVERLAPPING),
    (Schedule(steps=700, rate=1.5e-4, batch=2), OVERLAPPING_AND_OUTLINES),
)
"""Consecutive schedules, each a warm restart (Loshchilov & Hutter 2017, ICLR) on new windows, with their examples."""
FIRST_SURVEY_STAGE, AVERAGED_STAGE = 3, 6
"""The stage after `AVERAGED_STAGE` starts from the mean of the weights of that stage and of the one before."""
CACHE = Path(".cache/base-segmenter")
KEPT_EVERY = 100
SEEDS_A_SCHEDULE, SEEDS_A_STEP = 1_000_000, 100
"""Windows without an object are skipped, so each step has more seeds than it needs."""
SCENES, SIDES, CLICKS = 60, (128, 256, 400), 3
GALAXIES_A_SCENE, LEAST_AREA_PX = 4, 40
DECODED_FROM_PX = 100.0
"""Smaller objects keep the outline of source extraction. `benchmarks.prompts.small_objects` compares both on the val part."""


def main(data: Path, *, onward: bool) -> None:
    """Fit the head, save it, and print its overlaps."""
    torch.set_num_threads(1)
    encoder = LvmWindows(load_encoder(SHIPPED_CHECKPOINT), fingerprint=fingerprint(SHIPPED_CHECKPOINT))
    blank, windows = PromptedMasks.blank(encoder.config, encoder=encoder.fingerprint), Windows(data, encoder)
    head = replace(PromptedMasks.load(BASE_SEGMENTER), fusion=None) if onward else blank
    folder = CACHE / ("onward" if onward else "from-nothing")
    for number in range(FIRST_SURVEY_STAGE if onward else 0, len(STAGES)):
        before, head = head, train(head, windows, number, checkpoint=folder / f"training-{number}.pt")
        if number == AVERAGED_STAGE:
            head = average(before, head)
    replace(head, decoded_from_px=DECODED_FROM_PX).save(BASE_SEGMENTER)
    shutil.rmtree(folder)  # so that the next training does not continue this one
    print_overlaps(data, encoder, {"first guess": blank, "learned": head}, title="base segmenter")


def print_overlaps(data: Path, encoder: LvmWindows, heads: Mapping[str, PromptedMasks], *, title: str) -> None:
    """Print the mean overlaps of heads on the val part."""
    table = Table("val", "head", "objects", *(f"IoU after {number}" for number in range(1, CLICKS + 1)), title=title)
    survey_scenes = survey_generator_of(data, part="val")
    for what, objects in (
        ("outlines", list(outlines(data))),
        ("scenes", list(galaxies_of(generator_of(data, part="val")))),
        ("survey scenes", list(galaxies_of(survey_scenes))),
        ("blends of survey scenes", list(galaxies_of(survey_scenes, are_blended=True))),
    ):
        for name, head in heads.items():
            overlaps = np.mean([overlaps_of(head, CachedWindowEncoder(encoder, None), *each) for each in objects], axis=0)
            table.add_row(what, name, str(len(objects)), *(f"{value:.3f}" for value in overlaps))
    Console().print(table)


def train(head: PromptedMasks, windows: Windows, number: int, *, checkpoint: Path) -> PromptedMasks:
    """Train by the stage of a number, or continue its training, whose state is in a file."""
    schedule, mix = STAGES[number]
    training = begin_training(head.network, schedule)
    if checkpoint.exists():
        training.restore(torch.load(checkpoint, weights_only=True))
    start_s, losses = time.monotonic(), []
    while training.steps_done < schedule.steps:
        examples: Iterator = windows.endless(number * SEEDS_A_SCHEDULE + training.steps_done * SEEDS_A_STEP, mix)
        losses.append(training.step([next(examples) for _ in range(schedule.batch)]))
        if training.steps_done % KEPT_EVERY == 0:
            checkpoint.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(checkpoint) as file:
                torch.save(training.state(), file)
            print(
                f"step {training.steps_done} loss {np.mean(losses[-KEPT_EVERY:]):.3f} {time.monotonic() - start_s:.0f} s",
                flush=True,
            )
    return replace(head, network=round_weights(training.network))


def average(first: PromptedMasks, second: PromptedMasks) -> PromptedMasks:
    """Return the head whose weights are the means of those of two consecutive stages (Izmailov+2018, arXiv:1803.05407)."""
    network, weights = copy.deepcopy(first.network), second.network.state_dict()
    means = {
        name: (tensor + weights[name]) / 2 if tensor.is_floating_point() else weights[name]
        for name, tensor in network.state_dict().items()
    }
    network.load_state_dict(means)
    return replace(second, network=round_weights(network))


def outlines(data: Path) -> Iterator[tuple[NDArray[np.float32], Mask]]:
    """Yield images and outlines of the val part."""
    for galaxy in outlined_galaxies(data, "val"):
        yield galaxy.pixels, galaxy.mask


def galaxies_of(
    generator: SceneGenerator | SurveySceneGenerator, *, are_blended: bool = False
) -> Iterator[tuple[NDArray[np.float32], Mask]]:
    """Yield images and masks of galaxies of scenes, or of their blended galaxies only."""
    for seed in range(SCENES):
        scene = generator.draw(seed, SIDES[seed % len(SIDES)])
        masks = scene.masks[scene.is_blended] if are_blended else scene.masks
        for mask in masks[:GALAXIES_A_SCENE]:
            if mask.sum() >= LEAST_AREA_PX:
                yield scene.image, mask


def overlaps_of(
    head: PromptedMasks, window_encoder: CachedWindowEncoder, pixels: NDArray[np.float32], truth: Mask
) -> list[float]:
    """Return the overlap after each click."""
    windowed_image = window_encoder.of_pixels(pixels)

    def segment(clicks: list[Click]) -> Mask:
        result = head.predict(windowed_image, prompt_of_clicks(windowed_image, clicks))
        return np.zeros_like(truth) if result is None else result[0]

    series = click_through(segment, truth, clicks=CLICKS, seed=0)  # type: ignore[arg-type]
    return [series.after(number) for number in range(1, CLICKS + 1)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--onward", action="store_true", help="from the shipped head, by the stages with survey scenes")
    options = parser.parse_args()
    main(options.data, onward=options.onward)

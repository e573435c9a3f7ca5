"""Time of a click: first and later ones, idle, with ten annotators, during a training; and SAM's ViT-B.

The same server program answers all: with the shipped segmenter on its default threads (half the cores), then with a SAM
checkpoint of the official format and random weights on all cores and on one; the faster of both is compared. ViT-B encodes at
each click, since every timed click is the first on a new image.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from segment_anything import sam_model_registry

from benchmarks.prompts.passes import time_passes
from benchmarks.prompts.pictures import Scenery, click_on, sceneries
from benchmarks.prompts.server import ClickRequest, Serving, mask_region, serving

__all__ = ["SIDES", "Effort", "Times", "measure_speed"]

SIDES = (256, 512, 1024)
USUAL_SIDE = 512
ANNOTATORS, ANNOTATOR_CLICKS = 10, 20
PACE_S = 2.0
"""Seconds between the clicks of one simulated annotator."""
REGIONS = 100
TRAINING_MODULE = "benchmarks.prompts.training"


@dataclass(frozen=True, slots=True)
class Effort:
    """Numbers of repetitions: new images per side, clicks on each object, clicks of ViT-B per side."""

    pictures: int = 20
    clicks: int = 6
    vit_b: int = 3
    predictors: int = ANNOTATORS
    passes: int = 30


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds of clicks of one kind on images of one side; `failed` of them returned no mask."""

    kind: str
    side: int
    milliseconds: tuple[float, ...]
    failed: int = 0

    def percentile(self, q: float) -> float:
        """Return a percentile, milliseconds; NaN without clicks."""
        return float(np.percentile(self.milliseconds, q)) if self.milliseconds else float("nan")


def measure_speed(folder: Path, effort: Effort, console: Console) -> dict[str, object]:
    """Measure everything; return the content of the JSON file, "times" a list of `Times` as dicts."""
    times: list[Times] = []
    scenes = {side: sceneries(side, min(effort.pictures, 10)) for side in SIDES}
    with serving(folder / "ours") as server:
        _warm_up(server, scenes[USUAL_SIDE][0])
        requests: dict[int, list[ClickRequest]] = {}
        for side in SIDES:
            console.print(f"clicks on pictures of {side} px")
            side_times, requests[side] = _time_idle(server, scenes[side], side, effort)
            times += side_times
        console.print("twenty clicks on an object, ten annotators, a hundred regions")
        growth = [_click_twenty(server, scenery, seed) for seed, scenery in enumerate(scenes[USUAL_SIDE][: effort.predictors])]
        times += [
            Times(f"click {number + 1}", USUAL_SIDE, tuple(clicks[number][1] for clicks in growth if number < len(clicks)))
            for number in range(ANNOTATOR_CLICKS)
        ]
        sequences = [[request for request, _ in clicks] for clicks in growth]
        at_once = [server.put(scenery.file(4000)) for scenery in scenes[USUAL_SIDE][: len(sequences)]]
        times += _replay_together(server, sequences, at_once, kind="ten annotators, no pause", pace_s=0.0)
        references = [server.put(scenery.file(5000)) for scenery in scenes[USUAL_SIDE][: len(sequences)]]
        times += _replay_together(
            server, sequences, references, kind=f"ten annotators, a click every {PACE_S:.0f} s", pace_s=PACE_S
        )
        times += _time_with_regions(server, scenes[1024][0], effort)
        console.print("beside a training")
        with _run_training(folder / "training"):
            for side in SIDES:
                later = [request for request in requests[side] if len(request.clicks) > 1]
                times.append(_time(server, "later clicks, training", side, later))
                times.append(_time_first_clicks(server, scenes[side], "first click, training", side, effort.pictures))
    console.print("SAM ViT-B")
    times += _time_vit_b(folder / "vit-b", scenes, effort)
    console.print("steps of a click")
    passes = time_passes(folder / "passes", times=effort.passes)
    return {"times": [asdict(entry) for entry in times], "passes": passes}


def _warm_up(server: Serving, scenery: Scenery) -> None:
    """Send the first requests of a process, which wait until the weights are loaded."""
    click_on(server, scenery, server.put(scenery.file(-1)), scenery.masks[0], clicks=3, seed=0)


def _time_idle(server: Serving, scenes: Sequence[Scenery], side: int, effort: Effort) -> tuple[list[Times], list[ClickRequest]]:
    """Time first clicks on new images, later clicks on the same object, and first clicks on another object of the image."""
    first, later, another, requests = list[float](), list[float](), list[float](), list[ClickRequest]()
    for number in range(effort.pictures):
        scenery = scenes[number % len(scenes)]
        reference = server.put(scenery.file(number))
        answers = click_on(server, scenery, reference, scenery.masks[0], clicks=effort.clicks, seed=number)
        requests += [request for request, _ in answers]
        first.append(answers[0][1])
        later += [milliseconds for _, milliseconds in answers[1:]]
        another.append(click_on(server, scenery, reference, scenery.masks[1], clicks=1, seed=number)[0][1])
    kinds = (("first click", first), ("later clicks", later), ("first click on another object", another))
    return [Times(kind, side, tuple(milliseconds)) for kind, milliseconds in kinds], requests


def _click_twenty(server: Serving, scenery: Scenery, seed: int) -> list[tuple[ClickRequest, float]]:
    reference = server.put(scenery.file(1000 + seed))
    return click_on(server, scenery, reference, scenery.masks[0], clicks=ANNOTATOR_CLICKS, seed=seed)


def _replay_together(
    server: Serving, sequences: Sequence[Sequence[ClickRequest]], references: Sequence[str], *, kind: str, pace_s: float
) -> Iterator[Times]:
    """Replay each sequence on a new image, all at the same time; first clicks are reported separately."""
    gate = threading.Barrier(len(sequences))

    def annotate(number: int) -> list[tuple[float, bool]]:
        gate.wait()
        due = time.monotonic() + pace_s * number / len(sequences)
        answers = []
        for click in sequences[number]:
            time.sleep(max(0.0, due - time.monotonic()))  # pause of the annotator between two clicks
            due += pace_s
            answer = server.click(replace(click, reference=references[number]))
            answers.append((answer.milliseconds, answer.mask is None))
        return answers

    with ThreadPoolExecutor(len(sequences)) as pool:
        everyone = list(pool.map(annotate, range(len(sequences))))
    first, later = [answers[0] for answers in everyone], [answer for answers in everyone for answer in answers[1:]]
    for part, client_answers in (("first", first), ("later", later)):
        yield Times(
            f"{kind}, {part}",
            USUAL_SIDE,
            tuple(ms for ms, _ in client_answers),
            sum(failures for _, failures in client_answers),
        )


def _time_with_regions(server: Serving, scenery: Scenery, effort: Effort) -> list[Times]:
    """Time later clicks of a task with an annotation of a hundred masks, and the same clicks without it, alternately."""
    reference = server.put(scenery.file(2000))
    answers = click_on(server, scenery, reference, scenery.masks[0], clicks=effort.clicks, seed=0)[1:]
    masks = [scenery.masks[number % len(scenery.masks)] for number in range(REGIONS)]
    regions = [mask_region(mask, number) for number, mask in enumerate(masks)]
    bare, laden = [], []
    for _ in range(max(effort.pictures // 2, 1)):
        for request, _ in answers:
            bare.append(server.click(request).milliseconds)
            laden.append(server.click(request, regions=regions).milliseconds)
    return [Times("later clicks, no regions", 1024, tuple(bare)), Times(f"later clicks, {REGIONS} regions", 1024, tuple(laden))]


def _time(server: Serving, kind: str, side: int, requests: Sequence[ClickRequest]) -> Times:
    answers = [server.click(request) for request in requests]
    return Times(kind, side, tuple(answer.milliseconds for answer in answers), sum(answer.mask is None for answer in answers))


def _time_first_clicks(server: Serving, scenes: Sequence[Scenery], kind: str, side: int, count: int) -> Times:
    answers = []
    for number in range(count):
        scenery = scenes[number % len(scenes)]
        answers += click_on(server, scenery, server.put(scenery.file(3000 + number)), scenery.masks[0], clicks=1, seed=number)
    return Times(kind, side, tuple(milliseconds for _, milliseconds in answers))


@contextmanager
def _run_training(folder: Path) -> Iterator[None]:
    """Run a training in its own process; yield after its first step."""
    command = [sys.executable, "-m", TRAINING_MODULE, str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        if process.stdout.readline().strip() != "training":
            raise RuntimeError("the training beside which clicks are timed has ended")
        yield
        if process.poll() is not None:
            raise RuntimeError("the training ended before the clicks did")
    finally:
        process.kill()
        process.wait()


def _time_vit_b(folder: Path, scenes: dict[int, list[Scenery]], effort: Effort) -> Iterator[Times]:
    """Time SAM's ViT-B in the same server, on all cores and on one thread.

    Threads on all cores wait for one another if other processes run: a pass of 0.2 s then took 2.6 s. One thread is not slowed
    down in this way, so the faster of both is compared. SAM always encodes 1024 px, whatever the side.
    """
    folder.mkdir(parents=True)
    checkpoint = folder / "sam_vit_b.pth"
    torch.save(sam_model_registry["vit_b"]().state_dict(), checkpoint)
    for name, threads, sides in (("SAM ViT-B", os.cpu_count(), SIDES), ("SAM ViT-B on one thread", 1, (USUAL_SIDE,))):
        with serving(folder / name, sam_checkpoint=checkpoint, threads=threads) as server:
            _warm_up(server, scenes[SIDES[0]][0])
            for side in sides:
                yield _time_first_clicks(server, scenes[side], f"{name}, encoding", side, effort.vit_b)
                scenery, reference = scenes[side][0], server.put(scenes[side][0].file(-2))
                answers = click_on(server, scenery, reference, scenery.masks[0], clicks=3, seed=0)[1:]
                yield Times(f"{name}, embedding kept", side, tuple(milliseconds for _, milliseconds in answers))

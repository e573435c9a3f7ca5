"""Time of each step of a click, measured separately in this process, on one thread."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import product
from pathlib import Path
from statistics import median

import numpy as np
import torch

from backend.heads.segmentation.decoding import WindowPrompts, decode
from backend.heads.segmentation.first_guess import FirstGuess
from backend.heads.segmentation.prompt import Prompt
from backend.heads.segmentation.shipped import open_segmenter
from backend.heads.segmentation.window_features import CachedWindowEncoder, WindowedImage
from backend.heads.segmentation.windows import nearest_window
from backend.lvm.checkpoint import SHIPPED_CHECKPOINT, fingerprint, load_encoder
from benchmarks.prompts.pictures import sceneries
from sync.files.cache import FileCache
from sync.geometry.shapes import Point

__all__ = ["time_passes"]

SIDE = 512


def time_passes(folder: Path, *, times: int) -> dict[str, float]:
    """Return the median milliseconds of each step, for one window of an image of 512 pixels."""
    torch.set_num_threads(1)
    segmenter = open_segmenter(
        load_encoder(SHIPPED_CHECKPOINT), fingerprint=fingerprint(SHIPPED_CHECKPOINT), sam_checkpoint=None
    )
    network = segmenter.base.network
    scenery = sceneries(SIDE, 1)[0]
    pixels = scenery.pixels.astype(np.float32) / np.float32(255)
    window_encoder = CachedWindowEncoder(segmenter.windows, FileCache(folder, max_bytes=2**30))
    windowed_image = WindowedImage(window_encoder, scenery.size, pixels=lambda: pixels, key="passes")
    rows, columns = scenery.masks[0].nonzero()
    x, y = float(columns.mean()), float(rows.mean())
    window = nearest_window(windowed_image.sides[0], (x, y), windowed_image.size, shown_px=windowed_image.shown_px)
    features = windowed_image.encode(window)
    first_guess, embedding = FirstGuess.of(network, features), network.embed(features)
    place = (x * window.scale, y * window.scale)
    per_point = network.config.shown_px / network.config.points
    guess = first_guess.from_clicks(np.array([place]) / per_point)
    prompts = WindowPrompts(torch.tensor([[place]]), torch.ones(1, 1), guesses=guess)
    clicks = [(Point(x, y), True), (Point(x + 3, y), True)]
    # The segmenter caches the mask of a first click, so each first click is on another pixel.
    others = (Point(x + right, y + down) for right, down in product(range(-12, 13), repeat=2))
    steps: dict[str, Callable[[], object]] = {
        "encoder on one window (only for the first click)": lambda: segmenter.windows.encode(pixels, window),
        "reading its cached features": lambda: windowed_image.encode(window),
        "isophotes of the window": lambda: FirstGuess.of(network, features),
        "neck": lambda: network.embed(features),
        "prompt encoder and mask decoder": lambda: decode(network, embedding, prompts),
        "whole first click, features cached": lambda: segmenter.base.predict(
            windowed_image, Prompt.of(windowed_image.size, points=[(next(others), True)])
        ),
        "whole second click": lambda: segmenter.base.predict(windowed_image, Prompt.of(windowed_image.size, points=clicks)),
    }
    with torch.no_grad():
        return {name: _milliseconds(step, times) for name, step in steps.items()}


def _milliseconds(step: Callable[[], object], times: int) -> float:
    step()
    durations = []
    for _ in range(times):
        began = time.perf_counter()
        step()
        durations.append(1000 * (time.perf_counter() - began))
    return median(durations)

"""Contact sheets of the best, the median and the worst masks after one click."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from backend.heads.segmentation.simulated_clicks import first_click
from benchmarks.prompts.clicking import JITTER
from benchmarks.prompts.quality import Judged, Method
from sync.geometry.footprint import mask_bounds
from sync.geometry.overlap import mask_overlap

__all__ = ["draw_sheet"]

COLUMNS = 4
ROOM = 0.6
"""Margin around an object, as a share of its longer side."""
LEAST_ROOM_PX = 12
COLOURS = 256
"""Palette size: a sheet in all colours would be half a megabyte."""
WANTED, FOUND = "#22d3ee", "#ff7a1a"


def draw_sheet(judged_rows: Sequence[Judged], method: Method, file: Path) -> None:
    """Draw the best, the middle and the worst `COLUMNS` of objects that one simulated annotator clicked, one row each."""
    order = sorted(range(len(judged_rows)), key=lambda index: -judged_rows[index].clicks.after(1))
    count = min(COLUMNS, len(order))
    middle = (len(order) - count) // 2
    rows = {"best": order[:count], "median": order[middle : middle + count], "worst": order[-count:]}
    figure = Figure(figsize=(2.1 * COLUMNS, 6.9), dpi=80, layout="constrained")
    for line, (name, rows_of_line) in zip(figure.subplots(len(rows), count, squeeze=False), rows.items(), strict=True):
        line[0].set_ylabel(name)
        for axes, index in zip(line, rows_of_line, strict=True):
            _draw(axes, judged_rows[index], method)
    file.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    figure.savefig(buffer)
    sheet = Image.open(buffer).convert("RGB")
    sheet.quantize(palette=sheet.quantize(COLOURS), dither=Image.Dither.FLOYDSTEINBERG).save(file, optimize=True)


def _draw(axes: Axes, result: Judged, method: Method) -> None:
    truth, image = result.object.mask, result.object.image
    click = first_click(truth, np.random.default_rng(result.seed), jitter=JITTER)
    mask_of_method = method.segment(image)([click])
    left, top, right, bottom = mask_bounds(truth)
    room = max(ROOM * max(right - left, bottom - top), LEAST_ROOM_PX)
    axes.imshow(image.pixels.clip(0, 1) ** 0.7, interpolation="nearest")  # makes the faint parts visible
    for mask, colour in ((truth, WANTED), (mask_of_method, FOUND)):
        if mask.any():
            axes.contour(mask, levels=[0.5], colors=[colour], linewidths=1.2)
    axes.plot(click[0] - 0.5, click[1] - 0.5, "x", color="white", markersize=6)
    height, width = truth.shape
    axes.set_xlim(max(left - room, 0) - 0.5, min(right + room, width) - 0.5)
    axes.set_ylim(min(bottom + room, height) - 0.5, max(top - room, 0) - 0.5)
    axes.set(xticks=[], yticks=[])
    axes.set_title(f"IoU {mask_overlap(mask_of_method, truth):.2f}", fontsize=9)

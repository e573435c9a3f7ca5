"""Throughput of the encoder in images per second, compared with timm networks in the same run; and its memory.

Run: .venv/bin/python -m benchmarks.throughput.run [--quick]     (a quarter of an hour on 2 idle cores)

Every method runs in its own process (measure.py): it finds its best batch size and memory layout in float32 and under bfloat16
autocast, then runs five rounds of a second on frames in memory, and three passes from JPEG files. The timm networks' weights
are random, which does not change their time. Peak memory is measured in a separate process with the fastest setting alone; it
includes the memory of Python and PyTorch without a network, which is given above the table. Writes tables into
docs/benchmarks.md, benchmarks/results/throughput.json and docs/images/throughput.png.

How the cost grows. Linearly with the number of images, as batches are independent, and about linearly with the area of a frame,
the square of its side: the second table shows both. Four views cost four times one view. Decoding grows with the area of the
file.

Limitations. The quality of the embeddings is measured by other benchmarks. All networks run in PyTorch without a compiler. The
load of the machine before the run is given above the table: on shared cores all rates drop, by different amounts.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from statistics import median
from typing import Any

import matplotlib
import numpy as np
import torch
from matplotlib import pyplot as plt
from rich.console import Console

from backend.lvm.checkpoint import SHIPPED_CHECKPOINT, load_encoder
from benchmarks.report import IMAGES, PAGE, machine_line, markdown_table, write_numbers, write_section
from benchmarks.throughput.measure import OURS, OURS_AVERAGED, Method, Setting

matplotlib.use("Agg")

MEASURE_MODULE = "benchmarks.throughput.measure"
OPPONENTS = ("resnet18", "resnet50", "convnext_nano")
USUAL_PX = 224
SIDES = (64, 128, 192, 256)
"""Image sides of the second table."""
PLOT = IMAGES / "throughput.png"
COLUMNS = [
    "network",
    "parameters, M",
    "side, px",
    "device",
    "batch",
    "fastest, images/s",
    "float32",
    "bfloat16",
    "from files, serial",
    "from files, decoding in a second thread",
    "peak memory, MB",
]


Numbers = dict[str, Any]
"""A `Measured` as read from JSON."""


def main() -> None:
    """Measure, print and write the tables."""
    parser = argparse.ArgumentParser(description="Measure the encoder against usual networks.")
    parser.add_argument("--quick", action="store_true", help="a few methods, to try it; writes nothing")
    quick = parser.parse_args().quick
    console = Console()
    machine = f"{machine_line()}; load average {os.getloadavg()[0]:.1f} before"
    own_px = load_encoder(SHIPPED_CHECKPOINT).config.image_px
    methods = (
        [Method(OURS_AVERAGED, own_px, 1, "cpu"), Method("resnet18", own_px, 1, "cpu")] if quick else list(_methods(own_px))
    )
    results = [_measure(method, console) for method in methods]
    peaks = [_peak_mb(result, console) for result in results]
    growth = [] if quick else [_measure(Method(OURS, side, 1, "cpu"), console) for side in SIDES]
    speeds = markdown_table(COLUMNS, [_row(result, peak) for result, peak in zip(results, peaks, strict=True)])
    grows = _growth_table(results[0], growth)
    console.print(speeds, grows, sep="\n\n", markup=False)
    if not quick:
        write_numbers("throughput", {"machine": machine, "measured": results, "peaks_mb": peaks, "growth": growth})
        _plot(results)
        image = f"![Images per second of each network]({PLOT.relative_to(PAGE.parent)})"
        bare = f"The process without a network takes {results[0]['bare_mb']:.0f} MB of the peak memory."
        write_section("throughput", f"One run on {machine}. {bare}\n\n{speeds}\n\n{grows}\n\n{image}")


def _methods(own_px: int) -> Iterator[Method]:
    """Yield every network at the encoder's own side and at the usual one, on 1 and 2 threads, and on a GPU if there is one."""
    places = [("cpu", 1), ("cpu", 2)] + ([("cuda", 2)] if torch.cuda.is_available() else [])
    for device, threads in places:
        yield Method(OURS_AVERAGED, own_px, threads, device)
        for side in dict.fromkeys((own_px, USUAL_PX)):
            for network in (OURS, *OPPONENTS):
                yield Method(network, side, threads, device)


def _measure(method: Method, console: Console) -> Numbers:
    """Measure a method in its own process."""
    with console.status(f"{method.network}, {method.side} px, {method.threads} threads, {method.device}"):
        command = [sys.executable, "-m", MEASURE_MODULE, json.dumps(asdict(method))]
        environment = os.environ | {"OMP_NUM_THREADS": str(method.threads)}
        process = subprocess.run(command, stdout=subprocess.PIPE, check=True, env=environment)
    numbers: Numbers = json.loads(process.stdout.splitlines()[-1])
    return numbers


def _peak_mb(results: Numbers, console: Console) -> float:
    """Return the peak memory of a process that only runs a method's fastest setting, MB."""
    setting = Setting(**results["settings"][_fastest(results)])
    return float(_measure(replace(Method(**results["method"]), setting=setting), console)["peak_mb"])


def _fastest(results: Numbers) -> int:
    """Return the index of a method's fastest setting."""
    return int(np.argmax([median(rates) for rates in results["rates"]]))


def _row(results: Numbers, peak_mb: float) -> list[str]:
    method, best = Method(**results["method"]), _fastest(results)
    rates = {setting["precision"]: rate for setting, rate in zip(results["settings"], results["rates"], strict=True)}
    return [
        method.network,
        f"{results['parameters'] / 1e6:.1f}",
        str(method.side),
        f"{method.threads} thread{'s' * (method.threads > 1)}" if method.device == "cpu" else "GPU",
        str(results["settings"][best]["batch"]),
        _spread(results["rates"][best]),
        _spread(rates.get("fp32", [])),
        _spread(rates.get("bf16", [])),
        _spread(results["from_files"]),
        _spread(results["from_files_ahead"]),
        f"{peak_mb:.0f}",
    ]


def _growth_table(average_result: Numbers, by_side: Sequence[Numbers]) -> str:
    columns = ["variable", "value", "milliseconds per image"]
    rows = [
        ["batch size, four views", count, f"{1000 * seconds / int(count):.1f}"]
        for count, seconds in average_result["seconds_for"].items()
    ]
    for result in by_side:
        side = result["method"]["side"]
        rows.append(["image side, one view", f"{side} px", f"{1000 / median(result['rates'][_fastest(result)]):.1f}"])
    return markdown_table(columns, rows, title="Time per image, on one thread")


def _spread(rates: Sequence[float]) -> str:
    """Return the median and the range."""
    return f"{median(rates):.3g} ({min(rates):.3g}-{max(rates):.3g})" if rates else ""


def _plot(results: Sequence[Numbers]) -> None:
    """Draw the fastest rate of every network at its own side and at the usual one, on one thread and in memory."""
    results_shown = [result for result in results if (result["method"]["device"], result["method"]["threads"]) == ("cpu", 1)]
    names = [f"{result['method']['network']}, {result['method']['side']} px" for result in results_shown]
    rates = [median(result["rates"][_fastest(result)]) for result in results_shown]
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    colours = ["#e8590c" if result["method"]["network"] in (OURS, OURS_AVERAGED) else "#868e96" for result in results_shown]
    bars = axes.barh(names, rates, color=colours)
    axes.bar_label(bars, fmt="%.3g", padding=3)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel("images a second, one CPU thread, frames in memory")
    axes.margins(x=0.1)
    PLOT.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PLOT, dpi=120)
    plt.close(figure)


if __name__ == "__main__":
    main()

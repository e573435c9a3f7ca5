"""How well galaxies are detected: Mask R-CNN on a ResNet50 from scratch and on the frozen LVM, the product, source extraction.

Run: OMP_NUM_THREADS=1 .venv/bin/python -m benchmarks.detection.run DATA   (DATA holds masks/ and fields/; docs/scenes.md)

The script stores each cell (method, training scenes, seed) in benchmarks/results/detection.json when it is measured, and does
not measure it again. So an interrupted run continues, and sizes and methods can be run separately (`--sizes`, `--methods`,
`--seeds`). At the end it writes the report from all cells. It uses a GPU if there is one.

Protocol. Methods are trained on scenes of the `train` part only, all on the same ones. The threshold of each method is chosen
on the same 40 scenes of the `val` part; the metrics are those of the `test` part. Learning rates are usual values; none was
tuned.

Limitations. The scenes are synthetic: half of the galaxies are simulated, and the box of a faint galaxy is more exact than one
that a person draws. The schedules are short (see the table), which is hardest on the network from scratch: a longer training
would improve it. The shipped head was trained on 2,000 other scenes of the same train part, so its figures are those of the
shipped product, not the cost of labels.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
from rich.console import Console

from backend.lvm.checkpoint import SHIPPED_CHECKPOINT
from benchmarks.detection.cells import Cell, as_numbers, choose_threshold, read, score
from benchmarks.detection.methods import METHODS, Bench, Method
from benchmarks.detection.report import write_report
from benchmarks.detection.scenes import TEST_SCENES, VAL_SCENES, Scenes, boxes_of
from benchmarks.report import RESULTS, machine_line, write_numbers

NAME = "detection"
SIZES = (50, 100, 250, 500, 1000)
SIDE = 192
CACHE = Path(".cache/detection-benchmark")


def main() -> None:
    """Measure the cells that are missing, then write the report."""
    options = _options()
    torch.set_num_threads(1)  # the machine is shared: the seconds are those of one core
    bench = Bench(Scenes(options.data, SIDE), options.checkpoint, CACHE)
    cells = read(RESULTS / f"{NAME}.json")
    for size in sorted(options.sizes):
        for name in options.methods:
            for seed in range(options.seeds):
                method = METHODS[name]
                key = (name, size, seed) if method.learns else (name, 0, 0)
                names = {cell.name for cell in cells if cell.setting == method.setting(bench)}
                if key in names or (name == "shipped" and bench.shipped_detector is None):
                    continue
                cell = _measure(key, method, bench)
                cells = [other for other in cells if other.name != cell.name] + [cell]
                write_numbers(NAME, {"cells": as_numbers(cells)})
                Console().print(f"{name} scenes={cell.scenes} seed={seed} AP={cell.ap:.3f} {cell.seconds:.0f} s")
    current = [cell for cell in cells if cell.method in METHODS and cell.setting == METHODS[cell.method].setting(bench)]
    write_report(current, sizes=SIZES, side=SIDE, scenes=(VAL_SCENES, TEST_SCENES))


def _measure(key: tuple[str, int, int], method: Method, bench: Bench) -> Cell:
    """Train, choose the threshold on `val`, evaluate on `test`."""
    name, size, seed = key
    learning = bench.scenes.train(size, seed=seed) if size else []
    clock = time.monotonic if torch.cuda.is_available() else time.process_time  # other processes use the cores
    began = clock()
    finder = method.learn(bench, learning, seed)
    seconds = clock() - began
    least = choose_threshold(finder(bench.scenes.val), boxes_of(bench.scenes.val))
    figures = score(finder(bench.scenes.test), boxes_of(bench.scenes.test), least_score=least)
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"one thread of {machine_line()}"
    boxes = sum(len(scene) for scene in learning)
    return Cell(name, method.setting(bench), size, boxes, seed, round(seconds, 1), device, **figures)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure how well galaxies are found, by how many training scenes.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--checkpoint", type=Path, default=SHIPPED_CHECKPOINT)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES, help="numbers of training scenes")
    parser.add_argument("--seeds", type=int, default=1, help="how many")
    return parser.parse_args()


if __name__ == "__main__":
    main()

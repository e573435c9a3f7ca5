"""How many labels a score costs: networks from scratch against the frozen LVM, with random queries and with active learning.

Run: .venv/bin/python -m benchmarks.label_efficiency.run DATA   (DATA holds gz1/ with images and labels.csv)

Galaxy Zoo 1 in four classes, one fixed test set, 10 to all labels of the train part. Each cell (method, labels, seed) is kept
in benchmarks/results/label_efficiency.jsonl when it is measured and is not measured again, so methods can be run one by one
(`--methods`, `--seeds`, `--rungs`) and a killed run goes on; at the end the report is written from all cells there are.

What counts as a label. Every label that a method is fitted on, and it sees no other: no method stops early, picks a threshold
or a temperature on further ones. Once and for all methods alike, learning rates were chosen on galaxies of `train` and `val`
(four candidates a network, 300 labels, seed 0); the head has the product's defaults. `test` was read by this script only.

The encoders are those of benchmarks/weights/: one without labels; one that learned volunteers' votes of other sets; and one
that learned votes of 2,523 galaxies, most of this very set, and is asked for the others only. The votes behind the last two are
not counted, since a team that uses the encoder does not pay for them: that is transfer, and stands in lines of its own.

What it does not show. The pool of 2,984 galaxies is small, so active learning soon has little left to choose from. Macro AUC
is a mean over four classes of which one, merger, has 25 galaxies in the test set: most of the width of the intervals is
theirs. The networks from scratch get a fixed number of steps, more for more labels: a larger network, more pixels or a longer
schedule may do better at the last rungs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from rich.console import Console

from benchmarks.label_efficiency import cells
from benchmarks.label_efficiency.galaxies import read_galaxies
from benchmarks.label_efficiency.methods import METHODS, Bench, Method
from benchmarks.label_efficiency.report import write_report
from benchmarks.label_efficiency.statistics import ladder
from benchmarks.report import RESULTS

CELLS = RESULTS / "label_efficiency.jsonl"
WEIGHTS = Path(__file__).parent / "weights"


def main() -> None:
    """Measure what is not measured yet, then write the report."""
    options = _options()
    # One thread: the machine is shared, and the costs below are then those of a core.
    torch.set_num_threads(1)
    bench = Bench(
        read_galaxies(options.data, side=options.side),
        WEIGHTS / "label_free.safetensors",
        WEIGHTS / "votes_of_other_sets.safetensors",
        WEIGHTS / "votes_of_other_galaxies.safetensors",
    )
    for name in options.methods:
        for seed in range(options.seeds or METHODS[name].seeds):
            _measure(name, METHODS[name], bench, options, seed)
    settings = {method.setting(bench) for method in METHODS.values()}
    write_report(cells.read(CELLS, settings=settings), bench)


def _measure(name: str, method: Method, bench: Bench, options: argparse.Namespace, seed: int) -> None:
    """Measure the cells of one method and seed that are missing."""
    known = {
        cell.labels for cell in cells.read(CELLS, settings=[method.setting(bench)]) if (cell.method, cell.seed) == (name, seed)
    }
    rungs = options.rungs or ladder(len(bench.galaxies.rows("train")))
    for cell in method.cells(name, bench, rungs=[rung for rung in rungs if rung not in known], seed=seed):
        cells.append(CELLS, cell)
        Console().print(f"{name} seed={seed} labels={cell.labels} found={cell.found} seconds={cell.seconds}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure how many labels a score costs on Galaxy Zoo 1.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--side", type=int, default=64, help="of the frame that all methods see, pixels")
    parser.add_argument(
        "--methods", nargs="*", choices=METHODS, default=[name for name, method in METHODS.items() if method.default]
    )
    parser.add_argument("--seeds", type=int, help="how many, instead of each method's own number")
    parser.add_argument("--rungs", type=int, nargs="+", help="numbers of labels, instead of the ladder")
    return parser.parse_args()


if __name__ == "__main__":
    main()

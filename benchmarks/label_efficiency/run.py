"""Number of labels for a given accuracy: networks from scratch against the frozen LVM, with random and active queries.

Run: .venv/bin/python -m benchmarks.label_efficiency.run DATA   (DATA holds gz1/ with images and labels.csv)

Galaxy Zoo 1 in four classes, one fixed test set, 10 to all labels of the train part. The script stores each cell (method,
labels, seed) in benchmarks/results/label_efficiency.jsonl when it is measured and does not measure it again, so methods can be
run separately (`--methods`, `--seeds`, `--rungs`) and an interrupted run continues. At the end it writes the report from all
cells.

What counts as a label. Every label that a method is fitted on; no method uses further labels, for example for early stopping, a
threshold or a temperature. Learning rates were chosen once on galaxies of `train` and `val` (four candidates per network, 300
labels, seed 0); the head has the product's defaults. Only this script read `test`.

The encoders are those of benchmarks/weights/: one without labels; one trained on volunteers' votes of other sets; and one
trained on votes of 2,523 galaxies, most of this very set, which is evaluated with labels of the other galaxies only. The votes
of the last two are not counted, since a team that uses the encoder does not collect them: this is transfer learning, reported
in separate rows.

Limitations. The pool of 2,984 galaxies is small, so active learning soon has few galaxies to choose from. Macro AUC is a mean
over four classes of which one, merger, has 25 galaxies in the test set and causes most of the width of the intervals. The
networks from scratch get a fixed number of steps, more for more labels: a larger network, more pixels or a longer schedule may
do better at the last rungs.
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
WEIGHTS = Path(__file__).parents[1] / "weights"


def main() -> None:
    """Measure the cells that are missing, then write the report."""
    options = _options()
    # The machine is shared: the seconds are those of one core.
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
    """Measure the missing cells of one method and seed."""
    names = {
        cell.labels for cell in cells.read(CELLS, settings=[method.setting(bench)]) if (cell.method, cell.seed) == (name, seed)
    }
    rungs = options.rungs or ladder(len(bench.galaxies.rows("train")))
    for cell in method.cells(name, bench, rungs=[rung for rung in rungs if rung not in names], seed=seed):
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

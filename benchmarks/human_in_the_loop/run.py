"""How many labels query strategies save against random order, with a simulated annotator on real labels.

Run: OMP_NUM_THREADS=1 .venv/bin/python -m benchmarks.human_in_the_loop.run DATA [--seeds 10] [--part val|test] [--write]

Galaxies to label are of the training part, of which each seed draws its pool; `--part val` measures on the validation part, to
choose a strategy, and `--part test` reports. Each run (set, strategy, share of wrong answers, seed) is stored in .cache and is
not computed again, so the benchmark can be interrupted. It prints the macro AUC after some numbers of labels; the share of
labels saved at the AUC that random order reaches at the end; and how often the interval of the forecast
(backend/reports/forecast.py) holds the AUC that is measured 100 labels later.

How the cost grows. A run is one fit of the head and one ranking of the pool for each batch: about 5 s of CPU time for 300
labels of 2,900 galaxies. The encoder's pass over all images comes before, once.

What it does not show. Boxes and masks; sets of more than some thousand galaxies; annotators who err on the same galaxies.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import asdict
from itertools import product
from pathlib import Path

from rich.progress import track

from backend.active.ranking import STRATEGIES
from benchmarks.human_in_the_loop.sets import PARTS, SETS, Galaxies, read_set
from benchmarks.human_in_the_loop.simulation import POOL_SHARE, Run, Setting, simulate
from benchmarks.human_in_the_loop.tables import curves_table, forecast_table, mean_curves, saved_table, time_table
from benchmarks.report import machine_line, write_numbers, write_section

WRONG = (0.0, 0.05, 0.1)
STRATEGIES_OF_CLASSES = [name for name in STRATEGIES if name != "interest"]  # which needs ratings
CACHE = Path(".cache/human-in-the-loop")


def main() -> None:
    """Simulate what has not been simulated yet; print the tables, and write them if asked."""
    parser = argparse.ArgumentParser(description="Labels saved by query strategies.")
    parser.add_argument("data", type=Path, help="folder that holds gz1/, gz2/ and rings/")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--part", choices=PARTS, default="val")
    parser.add_argument("--strategies", nargs="+", choices=STRATEGIES_OF_CLASSES, default=STRATEGIES_OF_CLASSES)
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md and benchmarks/results")
    options = parser.parse_args()
    galaxies = {name: read_set(options.data, name, part=options.part) for name in SETS}
    settings = list(_settings(options.strategies, options.seeds))
    began = time.process_time()
    runs = {setting: _measure(galaxies[setting.galaxies], setting) for setting in track(settings, "simulating")}
    tables = "\n\n".join(
        [saved_table(runs), time_table(runs), *(curves_table(runs, name) for name in SETS), forecast_table(runs)]
    )
    print(tables)
    print(f"{time.process_time() - began:.0f} CPU seconds in this run")
    if options.write:
        line = f"{options.seeds} seeds, {options.part} part, {machine_line()}."
        write_section("human_in_the_loop", f"{line}\n\n{tables}")
        numbers = {"machine": machine_line(), "part": options.part, "seeds": options.seeds, "mean_auc": mean_curves(runs)}
        write_numbers("human_in_the_loop", numbers)


def _settings(strategies: list[str], seeds: int) -> Iterator[Setting]:
    """Yield all runs, by seed: a benchmark that is ended early compares all strategies on the same seeds."""
    for seed, wrong_share, name, strategy in product(range(seeds), WRONG, SETS, strategies):
        yield Setting(name, strategy, wrong_share, seed)


def _measure(galaxies: Galaxies, setting: Setting) -> Run:
    file = CACHE / f"{galaxies.name}-pool{POOL_SHARE}" / f"{setting.strategy}-{setting.wrong}-{setting.seed}.json"
    if file.exists():
        return Run(**json.loads(file.read_text()))
    run = simulate(galaxies, setting, labels=SETS[setting.galaxies].labels)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(asdict(run)))
    return run


if __name__ == "__main__":
    main()

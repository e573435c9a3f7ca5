"""How many labels query strategies save against random order, with a simulated annotator on Galaxy Zoo 1.

Run: OMP_NUM_THREADS=1 .venv/bin/python -m benchmarks.human_in_the_loop.run DATA [--seeds 10] [--part val|test] [--write]

Galaxies to label are those of the train part; `--part val` measures on the val part, to choose a strategy, and `--part test`
reports. Each run (strategy, share of wrong answers, seed) is kept in .cache and is not computed again. Prints macro AUC after
50, 100, 200 and 300 labels, and the labels that reach what random order reaches with all of them.

How the cost grows. A run is one fit of the head and one ranking of the pool for each batch: seconds for 300 labels of 3,000
galaxies. The encoder's pass over all images comes before, once.

What it does not show. One set of galaxies with one label each; boxes and masks; annotators who err on the same galaxies.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from itertools import product
from pathlib import Path

import numpy as np
from rich.progress import track

from backend.active.ranking import STRATEGIES
from backend.lvm.checkpoint import SHIPPED_CHECKPOINT, fingerprint
from benchmarks.human_in_the_loop.simulation import BATCH, Galaxies, Setting, simulate
from benchmarks.label_efficiency.frozen import embed
from benchmarks.label_efficiency.galaxies import read_galaxies
from benchmarks.label_efficiency.statistics import labels_needed
from benchmarks.report import machine_line, markdown_table, write_numbers, write_section

LABELS = 300
SHOWN = (50, 100, 200, 300)
WRONG = (0.0, 0.05, 0.1)
SIDE = 96
CACHE = Path(".cache/human-in-the-loop")
SAMPLES = 2_000


def main() -> None:
    """Simulate, print, write."""
    parser = argparse.ArgumentParser(description="Labels saved by query strategies.")
    parser.add_argument("data", type=Path, help="holds gz1/ with images and labels.csv")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--part", choices=["val", "test"], default="val")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md and benchmarks/results")
    options = parser.parse_args()
    galaxies, name = _read(options.data, part=options.part)
    settings = [Setting(*values) for values in product(STRATEGIES, WRONG, range(options.seeds))]
    # By seed, so that a run that is ended early compares all strategies on the same seeds.
    settings.sort(key=lambda setting: setting.seed)
    curves = {setting: _measured(galaxies, setting, name=name) for setting in track(settings, "simulating", transient=True)}
    tables = "\n\n".join(_table(curves, wrong) for wrong in WRONG)
    print(tables)
    if options.write:
        line = f"{options.seeds} seeds, {options.part} part, {machine_line()}."
        write_section("human_in_the_loop", f"{line}\n\n{tables}")
        write_numbers(
            "human_in_the_loop", {"machine": machine_line(), "runs": [asdict(s) | {"auc": c} for s, c in curves.items()]}
        )


def _read(data: Path, *, part: str) -> tuple[Galaxies, str]:
    read = read_galaxies(data, side=SIDE)
    embeddings = embed(read, SHIPPED_CHECKPOINT)
    pool, measured = read.rows("train"), read.rows(part)
    galaxies = Galaxies(embeddings[pool], read.labels[pool], embeddings[measured], read.labels[measured])
    return galaxies, f"{read.pixels}-{fingerprint(SHIPPED_CHECKPOINT)}-{part}"


def _measured(galaxies: Galaxies, setting: Setting, *, name: str) -> list[float]:
    kept = CACHE / name / f"{setting.strategy}-{setting.wrong}-{setting.seed}.json"
    if kept.exists():
        curve: list[float] = json.loads(kept.read_text())
        return curve
    curve = simulate(galaxies, setting, labels=LABELS)
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(curve))
    return curve


def _table(curves: dict[Setting, list[float]], wrong: float) -> str:
    rungs = [batch * BATCH for batch in range(1, LABELS // BATCH + 1)]
    rows = []
    random = _of(curves, "random", wrong)
    target = float(random[:, -1].mean())
    for strategy in STRATEGIES:
        scores = _of(curves, strategy, wrong)
        shown = [f"{scores[:, rung // BATCH - 1].mean():.3f} ± {_error(scores[:, rung // BATCH - 1]):.3f}" for rung in SHOWN]
        rows.append([strategy, *shown, _saved(rungs, scores, random, target)])
    columns = ["strategy", *(f"{rung} labels" for rung in SHOWN), f"labels saved at {target:.3f}"]
    return markdown_table(columns, rows, title=f"Macro AUC with {wrong:.0%} wrong answers")


def _of(curves: dict[Setting, list[float]], strategy: str, wrong: float) -> np.ndarray:
    return np.array([curve for setting, curve in curves.items() if (setting.strategy, setting.wrong) == (strategy, wrong)])


def _error(values: np.ndarray) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")


def _saved(rungs: Sequence[int], scores: np.ndarray, random: np.ndarray, target: float) -> str:
    """Share of the labels that random order needs, with a 95 % bootstrap interval over seeds."""
    source = np.random.default_rng(0)
    drawn = [np.arange(len(scores)), *source.integers(0, len(scores), (SAMPLES, len(scores)))]
    shares = []
    for rows in drawn:
        needed, by_random = (labels_needed(rungs, curves[rows].mean(axis=0), target=target) for curves in (scores, random))
        shares.append(1 - min(needed.high, LABELS) / min(by_random.high, LABELS))
    low, high = np.quantile(shares[1:], [0.025, 0.975])
    return f"{shares[0]:.0%} ({low:.0%} to {high:.0%})"


if __name__ == "__main__":
    main()

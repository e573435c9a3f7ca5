"""How often versions of the loop get worse, with the product's gate and with the previous rule, on galaxies and scenes.

Run: .venv/bin/python -m benchmarks.trust.run [--orders 10] [--write]

In the order of the queue (the least certain first; one in five at random and held out) batches of ten galaxies get their true
labels; after each one a version is trained and the rule decides. For every version that goes live, its scores on *all*
unlabelled tasks are compared with those of the previous version, task by task. An interrupted run continues (`.cache/trust`).

Limitations. One annotator who makes no errors; galaxies without groups; classes of one control; boxes by source extraction
only, on simulated scenes; the shipped encoder was trained, without labels, on a part of the sets.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from backend.images.store import StoredImage
from backend.lvm.checkpoint import SHIPPED_CHECKPOINT, fingerprint, load_encoder
from backend.lvm.embeddings import Embeddings
from benchmarks.report import machine_line, markdown_table, write_numbers, write_section
from benchmarks.trust.classes import BATCH, Galaxies, Run, read_galaxies, run_loop
from benchmarks.trust.rules import by_gate, by_point_estimate, by_significance
from benchmarks.trust.scenes import Scenes, draw_scenes, run_scenes
from benchmarks.trust.steps import Step, Summary, summarise
from sync.files.cache import FileCache

DATA = Path("../shared/data")
CACHE = Path(".cache/trust")
RULES = {"gate": by_gate, "three answers": by_significance, "point estimate": by_point_estimate}
COMMON = {"elliptical": "Elliptical", "spiral": "Spiral", "edge_on": "Edge-on", "merger": "Merger"}
GALAXIES, DEFAULT_GALAXIES = 600, 120
BATCHES, DEFAULT_BATCHES, SCENE_BATCHES = 6, 3, 4
SETS = ("default config, 120 galaxies", "Galaxy Zoo 2", "rings", "boxes of scenes", "Galaxy Zoo 1")
VERSION = 2
"""Incremented when stored runs are no longer comparable."""


def main() -> None:
    """Run the missing loops, print and optionally write the tables."""
    parser = argparse.ArgumentParser(description="Measure whether versions that go live are ever worse than the one before.")
    parser.add_argument("--orders", type=int, default=10, help="random label orders of each set")
    parser.add_argument("--sets", nargs="*", default=list(SETS), choices=SETS)
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md and benchmarks/results/trust.json")
    options = parser.parse_args()
    runs: dict[tuple[str, str], list[Run]] = {}
    with threadpool_limits(limits=1, user_api="blas"):
        for name in options.sets:
            make = _make_runner(name)
            for rule in RULES:
                for seed in range(options.orders):
                    runs.setdefault((name, rule), []).append(_run_or_read(name, rule, seed, make))
                print(name, rule, _summarise_in_a_line(runs[name, rule]), flush=True)
    tables = _tables(runs)
    print("\n\n".join(tables))
    if options.write:
        write_section("trust", "\n\n".join([machine_line(), *tables]))
        write_numbers("trust", {f"{name}, {rule}": [asdict(run) for run in each] for (name, rule), each in runs.items()})


def _make_runner(name: str) -> Callable[[str, int], Run]:
    """Return a function that runs a set with a rule and a seed; it reads images on its first call."""
    rows: list[Any] = []

    def make(rule: str, seed: int) -> Run:
        if not rows:
            rows.append(draw_scenes(DATA) if name == "boxes of scenes" else _galaxies(name))
        if isinstance(rows[0], Scenes):
            return run_scenes(rows[0], rule=rule, seed=seed, batches=SCENE_BATCHES)
        galaxies, batches = rows[0], BATCHES
        if name == "default config, 120 galaxies":
            galaxies, batches = _sample(galaxies, DEFAULT_GALAXIES, seed=seed), DEFAULT_BATCHES
        return run_loop(galaxies, RULES[rule], seed=seed, batches=batches)

    return make


def _galaxies(name: str) -> Galaxies:
    embed = _embedder()
    if name == "rings":
        return read_galaxies(DATA / "rings", "ring", {"1": "Ring", "0": "No ring"}, embed, splits=("train", "test"))
    unseen = ("val", "test")  # the shipped head was trained on labels of the other split
    if name == "Galaxy Zoo 1":
        return read_galaxies(DATA / "gz1", "coarse5", COMMON, embed, splits=unseen, most=GALAXIES)
    new = {} if name.startswith("default") else {"disk_no_spiral": "Disk without arms"}
    return read_galaxies(DATA / "gz2", "clean_label", COMMON | new, embed, splits=unseen)


def _sample(galaxies: Galaxies, count: int, *, seed: int) -> Galaxies:
    rows = np.random.default_rng(1000 + seed).permutation(len(galaxies.targets))[:count]
    return replace(galaxies, embeddings=galaxies.embeddings[rows], targets=galaxies.targets[rows])


def _embedder() -> Callable[[Path], NDArray[np.float32]]:
    name = fingerprint(SHIPPED_CHECKPOINT)
    embeddings = Embeddings(
        load_encoder(SHIPPED_CHECKPOINT), FileCache(CACHE / "embeddings", max_bytes=10**8), fingerprint=name
    )

    def embed(file: Path) -> NDArray[np.float32]:
        image = StoredImage(f"{file.parent.parent.name}/{file.name}", file.read_bytes, 10**8)
        vector: NDArray[np.float32] = embeddings.of([image])[0]
        return vector

    return embed


def _run_or_read(name: str, rule: str, seed: int, make: Callable[[str, int], Run]) -> Run:
    file = CACHE / f"runs-{VERSION}" / f"{name} {rule} {seed}.json".replace(" ", "_")
    if file.exists():
        fields = json.loads(file.read_text())
        return Run(**{**fields, "steps": [Step(**step) for step in fields["steps"]]})
    run = make(rule, seed)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(asdict(run)))
    return run


def _summary(runs: list[Run]) -> Summary:
    ends = [(run.first, run.last) for run in runs]
    return summarise([run.steps for run in runs], trained_count=sum(run.trained for run in runs), ends=ends)


def _summarise_in_a_line(runs: list[Run]) -> str:
    summary = _summary(runs)
    counts = f"trained {summary.trained} live {summary.live} falls {summary.falls} of {summary.expected:.1f}"
    return f"{counts} {summary.first:.3f} -> {summary.last:.3f}"


def _tables(runs: dict[tuple[str, str], list[Run]]) -> list[str]:
    rows = []
    for (name, rule), each in runs.items():
        summary = _summary(each)
        worst = "-"
        if summary.worst is not None:
            fall = summary.worst.after - summary.worst.before
            worst = f"{fall:+.3f} ({summary.worst.low:+.3f} to {summary.worst.high:+.3f})"
        rows.append([
            name, rule, str(summary.runs), str(summary.trained), str(summary.live), f"{summary.falls} ({summary.expected:.1f})",
            f"{summary.p_value:.2g}", worst, f"{summary.first:.3f}", f"{summary.last:.3f}",
        ])  # fmt: skip
    columns = [
        "set", "rule", "orders", "trained", "live", "steps that get worse (expected by chance)", "p", "worst step (95 %)",
        "first score", "last score",
    ]  # fmt: skip
    tables = [markdown_table(columns, rows, title="Steps from one live version to the next, scored on all unlabelled tasks")]
    shares = [
        [name, rule, *(f"{share:.3f}" for share in np.mean([run.right for run in each], axis=0))]
        for (name, rule), each in runs.items()
        if name.startswith("default")
    ]
    if shares:
        labels = [str(BATCH * batch) for batch in range(DEFAULT_BATCHES + 1)]
        tables.append(markdown_table(["set", "rule", *labels], shares, title="Share of correct classes, by number of labels"))
    return tables


if __name__ == "__main__":
    main()

"""Prompts benchmark: time of clicks and quality of masks, compared with SAM's ViT-B and with methods without a segmenter.

Run: OMP_NUM_THREADS=1 .venv/bin/python -m benchmarks.prompts.run DATA [--part speed|quality] [--quick] [--develop]

DATA holds masks/ and fields/ (docs/scenes.md); the speed part does not use it. The speed takes ten minutes on 2 idle cores, the
quality twenty minutes of one core. Each part writes its own section of docs/benchmarks.md, its own images, and its own key of
benchmarks/results/prompts.json. `--quick` runs a small part of everything and writes nothing; `--develop` evaluates the `val`
part and writes nothing, since `test` is for the report only.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.prompts.quality import QualityPlan, measure_quality
from benchmarks.prompts.quality_report import quality_numbers, quality_tables, write_quality
from benchmarks.prompts.speed import Effort, measure_speed
from benchmarks.prompts.speed_report import speed_tables, write_speed
from benchmarks.report import RESULTS, machine_line, write_numbers

NAME = "prompts"
QUICK_EFFORT = Effort(pictures=2, clicks=3, vit_b=1, predictors=2, passes=3)
QUICK_PLAN = QualityPlan(
    part="val", scenes=4, hands={"outlines": 1, "scenes": 1}, outline_counts=(20,), scene_mask_counts=(20,)
)
DEVELOPING = QualityPlan(part="val", outline_counts=(20, 32))
"""The val part is evaluated, so no head is fitted on it."""


def main() -> None:
    """Measure, print and write the tables."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that a terminated benchmark stops its servers and trainings
    console = Console()
    if options.part in ("speed", "both"):
        speed(console, quick=options.quick)
    if options.part in ("quality", "both"):
        plan = QUICK_PLAN if options.quick else DEVELOPING if options.develop else QualityPlan()
        hands = options.scene_hands or plan.hands["scenes"]
        quality(options.data, replace(plan, hands=plan.hands | {"scenes": hands}), console)


def speed(console: Console, *, quick: bool) -> None:
    """Measure the time of clicks and write the section."""
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        numbers = measure_speed(Path(folder), QUICK_EFFORT if quick else Effort(), console)
    console.print(speed_tables(numbers), markup=False)
    if not quick:
        _write_part("speed", numbers | {"load_before": load})
        write_speed(numbers, load)


def quality(data: Path, plan: QualityPlan, console: Console) -> None:
    """Measure the quality of masks and write the section."""
    began = time.process_time()
    result = measure_quality(data, plan, console)
    seconds = time.process_time() - began
    console.print(quality_tables(result, plan), f"{seconds:.0f} s of one core", sep="\n\n", markup=False)
    if plan.part == "test":
        _write_part("quality", quality_numbers(result, plan))
        write_quality(result, plan, seconds)


def _write_part(part: str, numbers: dict[str, Any]) -> None:
    """Write one part's numbers and keep the other's."""
    file = RESULTS / f"{NAME}.json"
    results = json.loads(file.read_text()) if file.exists() else {}
    write_numbers(NAME, results | {part: {"machine": machine_line(), **numbers}})


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure clicks: their time and their masks.")
    parser.add_argument("data", type=Path, help="folder with masks/ and fields/")
    parser.add_argument("--part", choices=("speed", "quality", "both"), default="both")
    parser.add_argument("--quick", action="store_true", help="little of everything, to try it; writes nothing")
    parser.add_argument("--develop", action="store_true", help="judge the val part; writes nothing")
    parser.add_argument("--scene-hands", type=int, default=0, help="hands on each object of scenes; each more takes long")
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""Rows of the tables: errors, coverage and bias of a method, and time by size."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from backend.heads.structure.measure import estimate_structure, measure_structure
from backend.heads.structure.measurement import PROFILE
from backend.heads.structure.simulation import Simulated
from benchmarks.structure.methods import QUANTITIES, Answer, cutout_of

__all__ = ["Run", "accuracy_row", "coverage_row", "growth_row", "pool_runs"]

RELATIVE = ("re_px", "sersic_n")
FORMATS = {"re_px": "{:.1f}", "sersic_n": "{:.1f}", "axis_ratio": "{:.3f}", "mag": "{:.3f}"}


@dataclass(frozen=True, slots=True)
class Run:
    """The answers of a method for the galaxies of one range of S/N, the true values, and seconds per galaxy."""

    method: str
    limits: tuple[int, int]
    answers: Sequence[Answer]
    true: Sequence[Mapping[str, float]]
    seconds: float

    def first(self, count: int) -> Run:
        """Return the answers for the first galaxies."""
        return replace(self, method=f"{self.method}, first {count}", answers=self.answers[:count], true=self.true[:count])


def pool_runs(runs: Sequence[Run]) -> Run:
    """Return the answers of several ranges as one."""
    answers, true = ([item for run in runs for item in getattr(run, name)] for name in ("answers", "true"))
    limits = (runs[0].limits[0], runs[-1].limits[1])
    return Run(runs[0].method, limits, answers, true, float(np.mean([run.seconds for run in runs])))


def accuracy_row(run: Run) -> list[str]:
    """Return the median absolute error of each quantity, of the galaxies with a value."""
    row = [
        f"{run.limits[0]}-{run.limits[1]}",
        run.method,
        f"{sum(bool(answer) for answer in run.answers)} of {len(run.answers)}",
    ]
    for name in QUANTITIES:
        errors = [
            abs(answer[name][0] - truth[name]) / (truth[name] / 100 if name in RELATIVE else 1)
            for answer, truth in zip(run.answers, run.true, strict=True)
            if name in answer
        ]
        row.append(FORMATS[name].format(np.median(errors)) if errors else "")
    return [*row, f"{1000 * run.seconds:.0f}"]


def coverage_row(run: Run) -> list[str]:
    """Return the part of true values within one error, and the mean difference in units of the error with its own error."""
    row = [f"{run.limits[0]}-{run.limits[1]}", run.method]
    for name in QUANTITIES:
        pulls = np.array(
            [
                (answer[name][0] - truth[name]) / (answer[name][1] or np.inf)
                for answer, truth in zip(run.answers, run.true, strict=True)
                if name in answer
            ]
        )
        mean, deviation = pulls.clip(-5, 5).mean(), pulls.clip(-5, 5).std() / np.sqrt(len(pulls))
        row.append(f"{np.mean(np.abs(pulls) < 1):.0%}, {mean:+.2f} ± {deviation:.2f}")
    return row


def growth_row(side: int, galaxies: Sequence[Simulated]) -> list[str]:
    """Return milliseconds per galaxy of the fit and of the network."""
    cutouts = [cutout_of(galaxy) for galaxy in galaxies]
    times = []
    for measure in (measure_structure, estimate_structure):
        began = time.process_time()
        measure(cutouts, quantities=PROFILE)
        times.append(f"{1000 * (time.process_time() - began) / len(cutouts):.0f}")
    return [str(side), *times]

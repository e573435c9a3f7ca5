"""How well sizes, shapes and magnitudes are measured: galaxyloop's fit and network, PetroFit, statmorph and photutils.

Run: OMP_NUM_THREADS=1 .venv/bin/python -m benchmarks.structure.run DATA   (DATA holds structure_priors/ and hst_cosmos/)

Galaxies are simulated from rows of the catalogues and PSFs that neither the training of the network nor the calibration of
the fit's errors used (each fifth row; backend/heads/structure/priors.py). All methods receive the same images of 96 px,
masks, masks of neighbours and PSFs, one galaxy at a time, on one thread. The slow methods measure the first galaxies of each
range (`--slow`), and the tables repeat galaxyloop's figures on the same ones. S/N is that of the galaxy's light under an
optimal weight, without neighbours and correlated noise. Coverage is the part of true values within one error. Seconds are
those of the processor.

Limitations. The simulated galaxies are Sersic profiles drawn by galaxyloop's own renderer, which tests compare with astropy.
PetroFit and statmorph average the profile over pixels and then convolve with the PSF, which makes galaxies below 2 pixels
slightly smaller for them. They fit with a fixed sky, and their first guesses are moments; a user who tunes them may do
better. The temperatures of the network were fitted on other simulations of the same held-out rows. Real galaxies are not
Sersic profiles: the errors that simulations confirm are those of noise, sky and neighbours.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from backend.heads.structure.parameters import to_quantities
from backend.heads.structure.priors import read_priors
from backend.heads.structure.simulation import Simulated, simulate
from benchmarks.report import machine_line, markdown_table, write_numbers, write_section
from benchmarks.structure.hst import hst_table
from benchmarks.structure.methods import METHODS, QUANTITIES, ZERO_POINT
from benchmarks.structure.tables import Run, accuracy_row, coverage_row, growth_row, pool_runs

NAME = "structure"
RANGES = ((3, 10), (10, 20), (20, 50), (50, 150), (150, 500))
SIDE, SEED = 96, 20
GROWTH_SIDES = (48, 96, 192, 384)
BRIGHT = 20
"""Smallest S/N of the galaxies of the summary."""
SLOW = ("PetroFit 0.5.0", "statmorph 0.7.2, Sersic")


def main() -> None:
    """Measure all galaxies with all methods; print and write the tables."""
    options = _options()
    torch.set_num_threads(1)
    priors = read_priors(options.data / "structure_priors", held_out=True)
    runs: list[Run] = []
    for number, limits in enumerate(RANGES):
        rng = np.random.default_rng([SEED, number])
        galaxies = simulate(priors, options.galaxies, side=SIDE, rng=rng, signal_to_noise=limits)
        true = _true_values(galaxies)
        for method, measure in METHODS.items():
            count = min(options.slow, len(galaxies)) if method in SLOW else len(galaxies)
            began = time.process_time()
            answers = [measure(galaxy) for galaxy in galaxies[:count]]
            runs.append(Run(method, limits, answers, true[:count], (time.process_time() - began) / count))
            print(*accuracy_row(runs[-1]), flush=True)
    growth = [growth_row(side, simulate(priors, 8, side=side, rng=np.random.default_rng(side))) for side in GROWTH_SIDES]
    hst, hst_record = hst_table(options.data / "hst_cosmos")
    rows, coverage = tables_of(runs, options.slow)
    numbers = {"machine": machine_line(), "accuracy": rows, "coverage": coverage, "growth": growth, "hst_cosmos": hst_record}
    write_numbers(NAME, numbers)
    write_section(NAME, markdown_of(rows, coverage, growth, hst, galaxies=options.galaxies))


def tables_of(runs: Sequence[Run], slow: int) -> tuple[list[list[str]], list[list[str]]]:
    """Return the rows of accuracy and of coverage; galaxyloop's also for the `slow` first galaxies and for all bright ones."""
    rows, coverage = [], []
    for run in runs:
        rows.append(accuracy_row(run))
        if run.method.startswith("galaxyloop"):
            rows.append(accuracy_row(run.first(slow)))
            coverage.append(coverage_row(run))
    for method in METHODS:
        bright = [run for run in runs if run.method == method and run.limits[0] >= BRIGHT]
        rows.append(accuracy_row(pool_runs(bright)))
        if method.startswith("galaxyloop"):
            coverage.append(coverage_row(pool_runs(bright)))
    return rows, coverage


def _true_values(galaxies: Sequence[Simulated]) -> list[dict[str, float]]:
    quantities = to_quantities(np.stack([galaxy.parameters for galaxy in galaxies]))
    quantities["mag"] = ZERO_POINT - 2.5 * np.log10(quantities["flux"])
    return [{name: float(quantities[name][number]) for name in QUANTITIES} for number in range(len(galaxies))]


def markdown_of(
    rows: Sequence[Sequence[str]],
    coverage: Sequence[Sequence[str]],
    growth: Sequence[Sequence[str]],
    hst: Sequence[Sequence[str]],
    *,
    galaxies: int,
) -> str:
    """Return the section of docs/benchmarks.md."""
    titles = ["S/N", "method", "measured", "R_e, %", "n, %", "axis ratio", "magnitude", "ms per galaxy"]
    bias = ["S/N", "method", *(f"{name}: covered, bias" for name in ("R_e", "n", "axis ratio", "magnitude"))]
    first = f"{galaxies} galaxies in each range of S/N, {SIDE} px, seed {SEED}. "
    return "\n\n".join(
        (
            f"One run, one thread of {machine_line()}. {first}Errors are medians of absolute differences.",
            markdown_table(titles, rows, title="Simulated galaxies"),
            markdown_table(
                bias, coverage, title="True values within one error, 68 % if errors are right; mean difference in errors"
            ),
            markdown_table(["side, px", "fit, ms", "network, ms"], growth, title="Time per galaxy by size of the image"),
            markdown_table(
                ["quantity", "galaxies", "median difference", "median of absolute differences"],
                hst,
                title="Real galaxies of HST/ACS, difference to the published fits",
            ),
        )
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare measurements of structure on simulated and real galaxies.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--galaxies", type=int, default=120, help="in each range of S/N")
    parser.add_argument("--slow", type=int, default=12, help="galaxies of each range for PetroFit and statmorph")
    return parser.parse_args()


if __name__ == "__main__":
    main()

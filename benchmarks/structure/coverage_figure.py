"""Draw the coverage of the stated errors, from the stored results of the benchmarks of structure, redshift and restoration.

Run: .venv/bin/python -m benchmarks.structure.coverage_figure
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import beta

from benchmarks.report import ROOT

__all__ = ["draw", "interval_of_share"]

RESULTS, FIGURE = ROOT / "benchmarks" / "results", ROOT / "docs" / "images" / "coverage.png"
METHOD, QUANTITIES = "galaxyloop, fit", ("half-light radius", "Sersic index", "axis ratio", "magnitude")
RANGES = ("3-10", "10-20", "20-50", "50-150", "150-500")
NOMINAL, AIM = 0.6827, (0.63, 0.73)
SHIFT = 0.08
"""Distance between the points of a range, as a part of the distance of two ranges."""


def main() -> None:
    """Read the results, and write the figure of the documentation."""
    structure, redshift, restoration = (
        json.loads((RESULTS / f"{name}.json").read_text()) for name in ("structure", "redshift", "restoration")
    )
    draw(structure, redshift, restoration, FIGURE)


def draw(structure: dict[str, Any], redshift: dict[str, Any], restoration: dict[str, Any], file: Path) -> None:
    """Draw the shares of quantities, numbers and restored pixels whose true value is in the stated interval."""
    with mpl.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(9, 3.6), dpi=100, layout="constrained")
        left, middle, right = figure.subplots(1, 3, width_ratios=(5, 3, 3), sharey=True)
        _draw_structure(left, structure)
        _draw_numbers(middle, redshift)
        _draw_pixels(right, restoration)
        left.legend(loc="upper right", ncols=2, frameon=False)
        right.legend(loc="upper right", frameon=False)
        figure.savefig(file)


def interval_of_share(share: float, count: int) -> tuple[float, float]:
    """Return the 95 % interval of Clopper & Pearson (1934) of a share of `count` galaxies."""
    hits = round(share * count)
    low = beta.ppf(0.025, hits, count - hits + 1) if hits else 0.0
    high = beta.ppf(0.975, hits + 1, count - hits) if hits < count else 1.0
    return float(low), float(high)


def _draw_structure(axes: Axes, structure: dict[str, Any]) -> None:
    rows = {row[0]: row[2:] for row in structure["coverage"] if row[1] == METHOD}
    counts = {row[0]: int(row[2].split()[0]) for row in structure["accuracy"] if row[1] == METHOD}
    axes.axhspan(*AIM, color="0.92", zorder=0, label="aim")
    axes.axhline(NOMINAL, color="0.6", linewidth=0.8, zorder=1)
    for number, quantity in enumerate(QUANTITIES):
        shares = [float(rows[each][number].partition("%")[0]) / 100 for each in RANGES]
        ends = np.array([interval_of_share(share, counts[each]) for share, each in zip(shares, RANGES, strict=True)])
        places = np.arange(len(RANGES)) + SHIFT * (number - 1.5)
        lengths = np.abs(ends.T - shares)
        axes.errorbar(places, shares, yerr=lengths, fmt="o", markersize=3.5, linewidth=1, label=quantity)
    axes.set_xticks(range(len(RANGES)), RANGES)
    axes.set(title="fits of structure", xlabel="signal-to-noise ratio of the galaxy", ylim=(0.4, 1))
    axes.set_ylabel("share of true values in the interval")


def _draw_numbers(axes: Axes, redshift: dict[str, Any]) -> None:
    heads = {
        "redshift,\nSDSS": redshift["sdss"]["head of a Number"],
        "redshift,\nzCOSMOS": redshift["zcosmos"]["head of a Number"],
        "metallicity": redshift["metallicity"]["columns and image"],
    }
    for level in (68, 90):
        axes.axhline(level / 100, color="0.6", linewidth=0.8, zorder=1)
        coverages = [head[f"coverage_{level}"] for head in heads.values()]
        values = np.array([each["value"] for each in coverages])
        lengths = np.abs(np.array([[each["low"], each["high"]] for each in coverages]).T - values)
        axes.errorbar(range(len(heads)), values, yerr=lengths, fmt="o", markersize=3.5, linewidth=1, color="black")
    axes.set_xticks(range(len(heads)), heads)
    axes.set(title="numbers: 68 % and 90 %", xlim=(-0.5, len(heads) - 0.5))


def _draw_pixels(axes: Axes, restoration: dict[str, Any]) -> None:
    ratios = ("20", "40", "200")
    axes.axhspan(*AIM, color="0.92", zorder=0)
    axes.axhline(NOMINAL, color="0.6", linewidth=0.8, zorder=1)
    series = [("simulated", "coverage", "simulated"), ("real", "coverage", "HST"), ("real", "sky coverage", "sky")]
    for number, (kind, name, label) in enumerate(series):
        values = np.array([restoration["sets"][f"{kind} {ratio}"]["galaxyloop"][name] for ratio in ratios])
        lengths = np.abs(values[:, 1:].T - values[:, 0])
        style: dict[str, Any] = {"fmt": "s", "markersize": 3.5, "linewidth": 1, "color": f"C{number + 4}"}
        axes.errorbar(np.arange(len(ratios)) + SHIFT * (number - 1), values[:, 0], yerr=lengths, label=label, **style)
    axes.set_xticks(range(len(ratios)), ratios)
    axes.set(title="restored pixels", xlabel="signal-to-noise ratio")


if __name__ == "__main__":
    main()

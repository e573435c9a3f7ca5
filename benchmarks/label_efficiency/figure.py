"""Figure of the label-efficiency benchmark: macro AUC against the number of labels, one line per method."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

__all__ = ["Line", "draw"]

Line = tuple[str, Sequence[int], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
"""Title, labels, and macro AUC with the ends of its interval."""


def draw(lines: Sequence[Line], *, targets: Sequence[float], file: Path) -> None:
    """Draw learning curves with their intervals as bands, and the targets as thin lines, into a PNG."""
    with mpl.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(7, 4.5), dpi=150, layout="constrained")
        axes = figure.add_subplot(xscale="log", xlabel="labels", ylabel="macro AUC, test galaxies")
        for target in targets:
            axes.axhline(target, color="0.8", linewidth=0.8, zorder=0)
        for title, rungs, middle, low, high in lines:
            (curve,) = axes.plot(rungs, middle, marker="o", markersize=3.5, label=title)
            axes.fill_between(rungs, low, high, color=curve.get_color(), alpha=0.15, linewidth=0)
        ticks = sorted({rung for line in lines for rung in line[1]})
        axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks], rotation=30)
        axes.minorticks_off()
        axes.legend(frameon=False, loc="lower right")
        file.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(file)

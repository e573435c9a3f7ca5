"""Report of the label-efficiency benchmark: curves, labels needed, tables, JSON and a figure, from the cells.

Intervals are 95 %, from a bootstrap over seeds and test galaxies together; the resampled galaxies are the same for all
methods, so that ratios between methods do not include their noise twice.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from benchmarks.label_efficiency.cells import Cell, score_of
from benchmarks.label_efficiency.figure import draw
from benchmarks.label_efficiency.galaxies import CLASSES, Galaxies
from benchmarks.label_efficiency.methods import METHODS, Bench
from benchmarks.label_efficiency.statistics import (
    Bounds,
    auc_samples,
    interval,
    labels_needed,
    ratio,
    resampled_curves,
    resampling_weights,
)
from benchmarks.report import IMAGES, machine_line, markdown_table, write_numbers, write_section

__all__ = ["write_report"]

NAME = "label_efficiency"
COUNTED = (
    "Every label that a method is fitted on is counted, and no method uses further labels, for example for early stopping or a "
    "temperature. All methods start with the same galaxies for a given seed. Intervals are over seeds and test galaxies."
)
SAMPLES = 1000
TARGETS = (0.85, 0.9, 0.95)
CLASS_RUNGS = (100, 1000)
FACTORS = (
    ("pre-training: ResNet18 / LVM frozen, random", "resnet18", "lvm_random"),
    ("active learning: LVM random / LVM active", "lvm_random", "lvm_informed"),
    ("both: ResNet18 / LVM active", "resnet18", "lvm_informed"),
    ("votes of other sets: LVM random / with votes, random", "lvm_random", "voted_random"),
    ("all three: ResNet18 / with votes, active", "resnet18", "voted_informed"),
    ("votes of other galaxies: ResNet18 / with those votes, random", "resnet18", "voted_here_random"),
    ("votes of other galaxies, and active learning", "resnet18", "voted_here_informed"),
    ("on the same network: from scratch / LVM frozen, random", "scratch", "lvm_random"),
)

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """One method's learning curve.

    Attributes
    ----------
    method : str
    rungs : tuple of int
    seeds : tuple of int
        Seeds that have all rungs.
    macro : ndarray, shape (1 + samples, rungs)
        Macro AUC, the first row plain, the others resampled.
    classes : ndarray, shape (rungs, classes)
        AUC of each class, mean over seeds.
    brier, ece : ndarray, shape (rungs,)
        Mean over seeds.
    labels : mapping
        From each target to the labels for this macro AUC: plain, then resampled.
    """

    method: str
    rungs: tuple[int, ...]
    seeds: tuple[int, ...]
    macro: Floats
    classes: Floats
    brier: Floats
    ece: Floats
    labels: Mapping[float, list[Bounds]]

    def band(self) -> tuple[Floats, Floats]:
        """Return the interval of the macro AUC at each rung."""
        low, high = np.nanpercentile(self.macro[1:], [2.5, 97.5], axis=0)
        return low, high


def write_report(cells: Sequence[Cell], bench: Bench) -> None:
    """Write docs/benchmarks.md's section, the JSON and the figure, and print the tables."""
    galaxies = bench.galaxies
    truth = galaxies.labels[galaxies.rows("test")]
    weights = resampling_weights(len(truth), samples=SAMPLES, seed=0)
    curves = {}
    for index, name in enumerate(METHODS):
        curve = _curve(name, [cell for cell in cells if cell.method == name], truth, weights, seed=index)
        if curve is not None:
            curves[name] = curve
    if not curves:
        Console().print("no method has a whole curve yet: nothing is reported")
        return
    run = f"{machine_line()}; {galaxies.side} px; {len(truth)} test galaxies; LVM {bench.config.family} {bench.weights}."
    factors = _factors(curves)
    tables = [_auc_table(curves), _needed_table(curves), _factor_table(factors), _class_table(curves)]
    image = f"![Macro AUC against labels](images/{NAME}.png)"
    write_section(NAME, "\n\n".join([run, COUNTED, image, *tables]))
    write_numbers(NAME, _numbers(curves, factors, galaxies, run))
    draw(
        [(METHODS[name].title, curve.rungs, curve.macro[0], *curve.band()) for name, curve in curves.items()],
        targets=TARGETS,
        file=IMAGES / f"{NAME}.png",
    )
    for table in tables:
        Console().print(table, markup=False, soft_wrap=True)


def _curve(name: str, cells: Sequence[Cell], truth: NDArray[np.int64], weights: Floats, *, seed: int) -> Curve | None:
    """Return a method's curve from the seeds that have all of its rungs; None if no seed has."""
    cell_by_key = {(cell.seed, cell.labels): cell for cell in cells}
    rungs = tuple(sorted({cell.labels for cell in cells}))
    seeds = tuple(seed for seed in sorted({cell.seed for cell in cells}) if all((seed, rung) in cell_by_key for rung in rungs))
    if not seeds:
        return None
    areas = np.empty((len(seeds), len(rungs), len(CLASSES), len(weights)))
    scores = np.empty((len(seeds), len(rungs), 2))
    for i, seed in enumerate(seeds):
        for j, rung in enumerate(rungs):
            probabilities = cell_by_key[seed, rung].test()
            for k in range(len(CLASSES)):
                areas[i, j, k] = auc_samples(probabilities[:, k], truth == k, weights=weights)
            score = score_of(probabilities, truth)
            scores[i, j] = score.brier, score.ece
    macro = resampled_curves(areas.mean(axis=2), seed=seed)
    brier, ece = scores.mean(axis=0).T
    bounds_by_target = {target: [labels_needed(rungs, row, target=target) for row in macro] for target in TARGETS}
    return Curve(name, rungs, seeds, macro, areas[..., 0].mean(axis=0), brier, ece, bounds_by_target)


def _auc_table(curves: dict[str, Curve]) -> str:
    rungs = sorted({rung for curve in curves.values() for rung in curve.rungs})
    rows = []
    for name, curve in curves.items():
        low, high = curve.band()
        at = {rung: f"{curve.macro[0, j]:.3f} ({low[j]:.3f}-{high[j]:.3f})" for j, rung in enumerate(curve.rungs)}
        rows.append([METHODS[name].title, str(len(curve.seeds)), *(at.get(rung, "") for rung in rungs)])
    columns = ["method", "seeds", *(f"{rung:,}" for rung in rungs)]
    return markdown_table(columns, rows, title="Macro AUC on the test galaxies by number of labels (95 % interval)")


def _needed_table(curves: dict[str, Curve]) -> str:
    rows = []
    for name, curve in curves.items():
        ends = f"<{curve.rungs[0]:,}", f">{curve.rungs[-1]:,}"
        rows.append([METHODS[name].title, *(_labels_text(curve.labels[target], ends) for target in TARGETS)])
    return markdown_table(["method", *(f"AUC {target}" for target in TARGETS)], rows, title="Labels needed (95 % interval)")


Factor = tuple[str, float, list[Bounds]]


def _factors(curves: dict[str, Curve]) -> list[Factor]:
    """Return each factor of the ratio to ResNet18 at each target: plain, then resampled."""
    return [
        (title, target, [ratio(*pair) for pair in zip(curves[over].labels[target], curves[under].labels[target], strict=True)])
        for title, over, under in FACTORS
        if over in curves and under in curves
        for target in TARGETS
    ]


def _factor_table(factors: Sequence[Factor]) -> str:
    rows: dict[str, list[str]] = {}
    for title, _, samples in factors:
        plain, spread = samples[0], interval(samples[1:])
        low, high = (f"{end:.1f}" if 0 < end < math.inf else "?" for end in (spread.low, spread.high))
        rows.setdefault(title, []).append(f"{_bounds_text(plain, '.1f')} ({low}-{high})")
    columns = ["times fewer labels", *(f"AUC {target}" for target in TARGETS)]
    return markdown_table(
        columns, [[title, *texts] for title, texts in rows.items()], title="Reduction of the labels by each part"
    )


def _class_table(curves: dict[str, Curve]) -> str:
    rows = []
    for name, curve in curves.items():
        for j, rung in enumerate(curve.rungs):
            if rung in CLASS_RUNGS or rung == curve.rungs[-1]:
                areas = [f"{area:.3f}" for area in curve.classes[j]]
                rows.append([METHODS[name].title, f"{rung:,}", *areas, f"{curve.brier[j]:.3f}", f"{curve.ece[j]:.3f}"])
    columns = ["method", "labels", *(f"AUC {name}" for name in CLASSES), "Brier", "ECE"]
    return markdown_table(columns, rows, title="Classes and calibration")


def _labels_text(samples: Sequence[Bounds], ends: tuple[str, str]) -> str:
    spread = interval(samples[1:])
    low = f"{spread.low:,.0f}" if spread.low > 0 else ends[0]
    high = f"{spread.high:,.0f}" if spread.high < math.inf else ends[1]
    return f"{_bounds_text(samples[0], ',.0f')} ({low} to {high})"


def _bounds_text(bounds: Bounds, form: str) -> str:
    if bounds.exact:
        return format(bounds.low, form)
    if bounds.low == 0 and bounds.high == math.inf:
        return "unknown"
    if bounds.high == math.inf:
        return f"more than {bounds.low:{form}}"
    return f"less than {bounds.high:{form}}"


def _numbers(curves: dict[str, Curve], factors: Sequence[Factor], galaxies: Galaxies, run: str) -> dict[str, Any]:
    """Return everything in the tables as JSON; an open bound is null."""
    methods = {}
    for name, curve in curves.items():
        low, high = curve.band()
        methods[name] = {
            "title": METHODS[name].title,
            "seeds": list(curve.seeds),
            "labels": list(curve.rungs),
            "macro_auc": _round(curve.macro[0]),
            "macro_auc_low": _round(low),
            "macro_auc_high": _round(high),
            "class_auc": {class_: _round(curve.classes[:, k]) for k, class_ in enumerate(CLASSES)},
            "brier": _round(curve.brier),
            "ece": _round(curve.ece),
            "labels_needed": {str(target): _middle_values(curve.labels[target]) for target in TARGETS},
        }
    ratios = [{"what": title, "auc": target, **_middle_values(samples)} for title, target, samples in factors]
    return {"run": run, "pixels": galaxies.pixels, "bootstrap_samples": SAMPLES, "methods": methods, "ratios": ratios}


def _middle_values(samples: Sequence[Bounds]) -> dict[str, list[float | None]]:
    spread = interval(samples[1:])
    return {"bounds": _open(samples[0]), "interval": _open(spread)}


def _open(bounds: Bounds) -> list[float | None]:
    low = round(bounds.low, 2) if bounds.low > 0 else None
    return [low, round(bounds.high, 2) if bounds.high < math.inf else None]


def _round(numbers: Floats) -> list[float]:
    return [round(float(number), 4) for number in numbers]

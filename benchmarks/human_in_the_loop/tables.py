"""Tables of the simulation: labels saved, learning curves, and how often the forecast holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from backend.reports.curve import CurvePoint
from backend.reports.forecast import NoForecast, forecast
from benchmarks.human_in_the_loop.sets import SETS
from benchmarks.human_in_the_loop.simulation import BATCH, Run, Setting
from benchmarks.label_efficiency.statistics import labels_needed
from benchmarks.report import markdown_table

__all__ = ["curves_table", "forecast_table", "mean_curves", "saved_table", "time_table"]

LOOK_S, CHOOSE_S, SUBMIT_S, UNDO_S = 2.0, 2.0, 1.0, 1.0
"""Stated cost of an annotator for one galaxy, seconds: to look at it, to choose a class, to submit, to remove a wrong class."""

SAMPLES = 200
FORECAST_AT, MORE = (60, 100, 150, 200), 100
RUNGS = {"gz1": (50, 100, 200, 300), "gz2": (30, 60, 100, 150), "rings": (30, 50, 70, 100)}

Runs = Mapping[Setting, Run]
Floats = NDArray[np.float64]


def saved_table(runs: Runs) -> str:
    """Return the share of labels that each strategy saves on each set, by share of wrong answers.

    It is one minus the number of labels with which the mean curve first reaches the AUC of random order at the end, over the
    number with which random order reaches it, with a 95 % bootstrap interval over seeds.
    """
    wrong_share = sorted({setting.wrong for setting in runs})
    rows = [
        [strategy, *(_describe_saving(runs, name, strategy, share) for name in SETS for share in wrong_share)]
        for strategy in _strategies(runs)
    ]
    columns = ["strategy", *(f"{name}, {share:.0%} wrong" for name in SETS for share in wrong_share)]
    return markdown_table(columns, rows, title="Labels saved at the AUC of random order with all labels")


def curves_table(runs: Runs, name: str) -> str:
    """Return the macro AUC of each strategy on a set after some numbers of labels, without wrong answers."""
    rows = []
    for strategy in _strategies(runs):
        scores = _of(runs, name, strategy, 0.0)
        rows.append([strategy, *(_mean(scores[:, rung // BATCH - 1]) for rung in RUNGS[name])])
    columns = ["strategy", *(f"{rung} labels" for rung in RUNGS[name])]
    return markdown_table(columns, rows, title=f"Macro AUC on {name}, mean and standard error over seeds")


def time_table(runs: Runs) -> str:
    """Return how many times faster annotators reach the AUC of random order with all labels, without wrong answers.

    The alternative is an empty form in random order. With pre-annotation, a right class costs no choice; a wrong one costs its
    removal and a choice.
    """
    rows = []
    for strategy in _strategies(runs):
        cells = []
        for name in SETS:
            random, scores = _of(runs, name, "random", 0.0), _of(runs, name, strategy, 0.0)
            rungs = [BATCH * (batch + 1) for batch in range(scores.shape[1])]
            target = float(random.mean(axis=0)[-1])
            labels, by_random = (
                min(labels_needed(rungs, curves.mean(axis=0), target=target).high, rungs[-1]) for curves in (scores, random)
            )
            shares = np.array(
                [run.accepted for key, run in runs.items() if (key.galaxies, key.strategy, key.wrong) == (name, strategy, 0.0)]
            ).mean(axis=0)
            share = float(np.interp(labels, rungs, np.cumsum(shares) / np.arange(1, len(rungs) + 1)))
            seconds = LOOK_S + SUBMIT_S + (1 - share) * (CHOOSE_S + UNDO_S)
            cells.append(f"{by_random * (LOOK_S + CHOOSE_S + SUBMIT_S) / (labels * seconds):.1f}")
        rows.append([strategy, *cells])
    return markdown_table(
        ["strategy, with pre-annotation", *SETS], rows, title="Times faster than an empty form in random order"
    )


def forecast_table(runs: Runs) -> str:
    """Return how often the forecast's interval holds the gain of AUC that is measured `MORE` labels later, on gz1."""
    rows = []
    for wrong_share in sorted({setting.wrong for setting in runs}):
        for at in FORECAST_AT:
            forecasts = [
                pair
                for setting, run in runs.items()
                if setting.galaxies == "gz1" and setting.wrong == wrong_share and (pair := _forecast(run, at)) is not None
            ]
            low, value, high, gain = np.array(forecasts).T
            is_covered, error = (low <= gain) & (gain <= high), value - gain
            numbers = [error.mean(), np.abs(error).mean(), np.median(high - low), gain.mean()]
            rows.append(
                [
                    f"{wrong_share:.0%}",
                    str(at),
                    str(len(is_covered)),
                    f"{is_covered.mean():.0%}",
                    *(f"{value:+.4f}" for value in numbers),
                ]
            )
    columns = ["wrong", "labels", "runs", "held", "mean error", "mean absolute error", "median width", "measured gain"]
    return markdown_table(columns, rows, title=f"The 68 % interval of the gain of AUC from {MORE} more labels, all strategies")


def _forecast(run: Run, at: int) -> tuple[float, float, float, float] | None:
    """Return the lower bound, value and upper bound of the forecast and the measured gain; None without a forecast."""
    values = [(BATCH * (batch + 1), value) for batch, value in enumerate(run.auc)]
    points = [CurvePoint(labels=labels, value=value) for labels, value in values if labels <= at and value != 0.5]
    try:
        estimate, _ = forecast(points, at=at, further_labels=MORE)
    except NoForecast:
        return None
    value_by_name = dict(values)
    assert estimate.low is not None
    assert estimate.high is not None
    return estimate.low, estimate.value, estimate.high, value_by_name[at + MORE] - value_by_name[at]


def mean_curves(runs: Runs) -> dict[str, str]:
    """Return the mean AUC over seeds after each batch, by set, strategy and share of wrong answers."""
    keys = dict.fromkeys((setting.galaxies, setting.strategy, setting.wrong) for setting in runs)
    return {
        f"{name} {strategy} {wrong_share}": " ".join(
            f"{value:.4f}" for value in _of(runs, name, strategy, wrong_share).mean(axis=0)
        )
        for name, strategy, wrong_share in keys
    }


def _strategies(runs: Runs) -> list[str]:
    return list(dict.fromkeys(setting.strategy for setting in runs))


def _of(runs: Runs, name: str, strategy: str, wrong_share: float) -> Floats:
    """Return the curves of all seeds, shape (seeds, batches)."""
    return np.array(
        [run.auc for key, run in runs.items() if (key.galaxies, key.strategy, key.wrong) == (name, strategy, wrong_share)]
    )


def _mean(values: Floats) -> str:
    error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else float("nan")
    return f"{values.mean():.3f} ± {error:.3f}"


def _describe_saving(runs: Runs, name: str, strategy: str, wrong_share: float) -> str:
    scores, random = _of(runs, name, strategy, wrong_share), _of(runs, name, "random", wrong_share)
    rungs = [BATCH * (batch + 1) for batch in range(scores.shape[1])]
    generator = np.random.default_rng(0)
    seeds = [np.arange(len(scores)), *generator.integers(0, len(scores), (SAMPLES, len(scores)))]
    shares = [_share(rungs, scores[rows].mean(axis=0), random[rows].mean(axis=0)) for rows in seeds]
    low, high = np.quantile(shares[1:], [0.025, 0.975])
    return f"{shares[0]:.0%} ({low:.0%} to {high:.0%})"


def _share(rungs: Sequence[int], scores: Floats, random: Floats) -> float:
    target = float(random[-1])
    labels_of_method, by_random = (labels_needed(rungs, curve, target=target) for curve in (scores, random))
    return 1 - min(labels_of_method.high, rungs[-1]) / min(by_random.high, rungs[-1])

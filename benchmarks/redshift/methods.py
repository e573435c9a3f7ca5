"""The compared methods, and the scores of their predictions with bootstrap intervals."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.heads.feature_blocks import COLUMNS
from backend.heads.inputs import HeadInputs
from backend.heads.regression import NumberPredictions, Parameters, Regression, predict_numbers
from backend.reports.number_scores import bias, coverage, outlier_share, rmse, scaled_errors, sigma_nmad
from backend.reports.resampling import estimate
from benchmarks.redshift.sets import GalaxySet

__all__ = ["METHODS", "number_scores", "table_of"]

Floats = NDArray[np.float64]
NEIGHBOURS = 15


def table_of(galaxies: GalaxySet) -> Floats:
    """Return the colours of neighbouring magnitudes and the middle magnitude, shape (n, m); NaN where one is missing."""
    values = np.array(
        [[blocks[COLUMNS].values.get(name, np.nan) for name in galaxies.magnitudes] for blocks in galaxies.blocks]
    )
    return np.column_stack([values[:, :-1] - values[:, 1:], values[:, values.shape[1] // 2]])


def predict_neighbours(galaxies: GalaxySet, train: NDArray[np.intp], test: NDArray[np.intp]) -> Floats:
    """Return the mean of the nearest 15 galaxies in standardised colours and one magnitude."""
    from sklearn.neighbors import KNeighborsRegressor

    table = _standard(table_of(galaxies), train)
    return KNeighborsRegressor(NEIGHBOURS).fit(table[train], galaxies.values[train]).predict(table[test])


def predict_ridge(galaxies: GalaxySet, train: NDArray[np.intp], test: NDArray[np.intp]) -> NumberPredictions:
    """Return the predictions of a ridge regression on the same features."""
    table = _standard(table_of(galaxies), train).astype(np.float32)
    fit = Parameters.fit(table[train], galaxies.values[train])
    return predict_numbers(fit, HeadInputs.of_images(table[test]))


def predict_head(galaxies: GalaxySet, train: NDArray[np.intp], test: NDArray[np.intp]) -> tuple[Regression, NumberPredictions]:
    """Return the head of a Number control, and its predictions."""
    inputs = HeadInputs(np.empty((len(galaxies.values), 0), np.float32), tuple(galaxies.blocks))
    head = Regression.fit(inputs.only(train), galaxies.values[train], control="redshift", relative=True)
    return head, head.predict(inputs.only(test))


def _standard(table: Floats, train: NDArray[np.intp]) -> Floats:
    matrix = np.where(np.isnan(table), np.nanmedian(table[train], axis=0), table)
    return (matrix - matrix[train].mean(axis=0)) / matrix[train].std(axis=0)


METHODS: dict[str, Callable[..., Any]] = {
    "15 nearest neighbours": predict_neighbours,
    "ridge": predict_ridge,
    "head of a Number": predict_head,
}


def number_scores(
    predictions: Floats, true: Floats, *, relative: bool, half_widths: Floats | None = None, groups: Sequence[str] | None = None
) -> dict[str, Any]:
    """Return the scores of predictions with 95 % intervals; coverage of the 68 % and 90 % intervals if there are any."""
    errors = scaled_errors(predictions, true, relative=relative)
    scores_by_name = {
        "sigma_nmad": sigma_nmad(errors),
        "bias": bias(errors),
        "outliers": outlier_share(errors, relative=relative),
        "rmse": rmse(predictions, true),
    }
    if half_widths is not None:
        scores_by_name |= {
            f"coverage_{level}": coverage(predictions, half_widths[row], true) for row, level in enumerate((68, 90))
        }
    names = list(groups) if groups is not None else [str(number) for number in range(len(true))]
    estimates = {name: estimate(score, names) for name, score in scores_by_name.items()}
    return {name: value.model_dump() for name, value in estimates.items() if value is not None}


def time_work(work: Callable[[], Any]) -> tuple[Any, float]:
    """Return the result of a call and its CPU time, seconds."""
    start_s = time.process_time()
    result = work()
    return result, time.process_time() - start_s

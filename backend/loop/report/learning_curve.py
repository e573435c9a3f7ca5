"""Learning curves of classes and numbers: heads fitted on growing numbers of labels, scored on the held-out images.

The first curve takes the training labels in the order in which they were made. The second one shows random order: held-out
tasks are a random sample of the project, so heads are fitted on random parts of one half of them and scored on the other half.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.heads import Head, NotEnoughLabels
from backend.loop.report.embedded_control import EmbeddedControl
from backend.loop.report.embeddings import EmbeddingReader
from backend.loop.report.inputs import ReportInputs
from backend.loop.report.scored_images import ScoredImages
from backend.prediction.control_models import Examples, model_class
from backend.reports.curve import CurvePoint
from backend.reports.curve_sizes import curve_sizes
from backend.reports.resampling import draw_weights

__all__ = ["MeasuredCurve", "fit_head", "measure_curve", "measure_random_curve"]

Floats = NDArray[np.float64]

SIZES = 8
RANDOM_SIZES = 5
SEEDS = 2
"""Random orders whose mean is the curve of random order."""
FEWEST_GALAXIES = 30
"""Number of held-out galaxies from which on a curve of random order is measured: half of fewer are too few to train."""
MOST_LABELS = 5000
"""Largest number of labels that a head of a curve is fitted on: a fit on 3,000 takes 1.5 s."""


@dataclass(frozen=True, eq=False)
class MeasuredCurve:
    """Points of a curve.

    Attributes
    ----------
    labels : ndarray of int, shape (n,)
    values : ndarray, shape (n, r)
        Score of all held-out images in the first column, and of r - 1 resamples of them in the others.
    """

    labels: NDArray[np.intp]
    values: Floats

    @property
    def points(self) -> list[CurvePoint]:
        """The points, with the standard errors from the resamples."""
        spreads = [row[1:][np.isfinite(row[1:])] for row in self.values]
        return [
            CurvePoint(labels=int(size), value=float(row[0]), spread=float(spread.std()) if len(spread) else 0.0)
            for size, row, spread in zip(self.labels, self.values, spreads, strict=True)
        ]


def fit_head(control: EmbeddedControl, examples: Examples, reader: EmbeddingReader) -> Head | None:
    """Fit a head as training does; None if there are too few labels."""
    try:
        return model_class(control.control).fit(examples, control.control, reader)
    except NotEnoughLabels:
        return None


def measure_curve(
    inputs: ReportInputs, control: EmbeddedControl, scored_images: ScoredImages, reader: EmbeddingReader
) -> MeasuredCurve:
    """Measure the curve of the labels in the order in which they were made."""
    truth = inputs.truth[control.control.name]
    training = [image for image in truth.labels if image.task in inputs.training_tasks]
    training.sort(key=lambda image: (inputs.labelled_at.get(image.task, ""), image))
    weights = draw_weights(scored_images.groups)
    sizes: list[int] = []
    rows: list[Floats] = []
    for size in curve_sizes(min(len(training), MOST_LABELS), count=SIZES):
        inputs.check()
        head = fit_head(control, truth.only(training[:size]), reader)
        predictions = None if head is None else control.predict(head, scored_images.inputs)
        if predictions is not None:
            _add(sizes, rows, size, control.scores(predictions, scored_images.labels)[control.metric](weights))
    return _curve(sizes, rows, weights)


def measure_random_curve(
    inputs: ReportInputs, control: EmbeddedControl, scored_images: ScoredImages, reader: EmbeddingReader
) -> MeasuredCurve:
    """Measure the curve of random order; without points if there are fewer than `FEWEST_GALAXIES` held-out galaxies."""
    weights = draw_weights(scored_images.groups)
    sizes: list[int] = []
    rows: list[Floats] = []
    if scored_images.galaxies >= FEWEST_GALAXIES:
        halves = [_halves(scored_images.groups, seed) for seed in range(SEEDS)]
        largest_half = min(len(part) for parts in halves for part in parts)
        for size in curve_sizes(largest_half, count=RANDOM_SIZES):
            predictions_of_parts = [_predict_halves(inputs, control, scored_images, parts, size, reader) for parts in halves]
            usable = [predictions for predictions in predictions_of_parts if predictions is not None]
            if len(usable) == SEEDS:
                scores = [control.scores(predictions, scored_images.labels)[control.metric](weights) for predictions in usable]
                _add(sizes, rows, size, np.mean(scores, axis=0))
    return _curve(sizes, rows, weights)


def _halves(groups: Sequence[str], seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Divide images into two halves by galaxy, each in random order."""
    source = np.random.default_rng(seed)
    names = list(dict.fromkeys(groups))
    first = {names[place] for place in source.permutation(len(names))[: len(names) // 2]}
    order = source.permutation(len(groups))
    inside = np.array([groups[place] in first for place in order], bool)
    return order[inside], order[~inside]


def _predict_halves(
    inputs: ReportInputs,
    control: EmbeddedControl,
    scored_images: ScoredImages,
    halves: tuple[NDArray[np.intp], NDArray[np.intp]],
    size: int,
    reader: EmbeddingReader,
) -> Floats | None:
    """Predict each half by a head that is fitted on the first `size` images of the other half."""
    truth = inputs.truth[control.control.name]
    predictions: Floats | None = None
    for half, other_half in (halves, halves[::-1]):
        inputs.check()
        head = fit_head(control, truth.only(scored_images.images[place] for place in half[:size]), reader)
        predictions_of_half = None if head is None else control.predict(head, scored_images.inputs.only(other_half))
        if predictions_of_half is None:
            return None
        if predictions is None:
            predictions = np.zeros((len(scored_images), *predictions_of_half.shape[1:]))
        predictions[other_half] = predictions_of_half
    return predictions


def _add(sizes: list[int], rows: list[Floats], size: int, values: Floats) -> None:
    if np.isfinite(values[0]):
        sizes.append(size)
        rows.append(values)


def _curve(sizes: list[int], rows: list[Floats], weights: Floats) -> MeasuredCurve:
    return MeasuredCurve(np.array(sizes, np.intp), np.reshape(rows, (len(rows), len(weights))))

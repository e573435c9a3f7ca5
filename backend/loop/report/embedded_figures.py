"""Figures of one control for classes or numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from backend.loop.report.embedded_control import ClassControl, EmbeddedControl
from backend.loop.report.embeddings import EmbeddingReader
from backend.loop.report.inputs import ReportInputs
from backend.loop.report.learning_curve import MeasuredCurve, measure_curve, measure_random_curve
from backend.loop.report.scored_images import MOST_EMBEDDED, ScoredImages, held_out_images, read_images
from backend.loop.report.version_rows import version_rows
from backend.loop.report.versions import ShownVersion
from backend.reports.agreement import cohen_kappa
from backend.reports.class_scores import count_confusions
from backend.reports.curve import Curve
from backend.reports.estimate import Estimate, Metric
from backend.reports.labels_saved import labels_saved
from backend.reports.outlook import make_forecast
from backend.reports.reliability import reliability_bins
from backend.reports.report import ControlReport, Matrix, ReliabilityBin
from backend.reports.resampling import Score, estimate

__all__ = ["EmbeddedFigures", "make_embedded_figures"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class EmbeddedFigures:
    """The report of a control, and the live version's predictions on the held-out images, for galleries.

    Attributes
    ----------
    predictions : ndarray or None
        None if the live version cannot predict the control.
    """

    report: ControlReport
    scored_images: ScoredImages
    predictions: Floats | None


def make_embedded_figures(
    inputs: ReportInputs, control: EmbeddedControl, versions: Sequence[ShownVersion], reader: EmbeddingReader
) -> EmbeddedFigures:
    """Score the versions and measure the learning curve."""
    name = control.control.name
    images = held_out_images(inputs, control.control, versions, limit=MOST_EMBEDDED)
    images = [image for image in images if control.is_scorable(inputs.truth[name].labels[image])]
    scored_images = read_images(inputs, control.control, images, reader)
    predictions_of: dict[int, Floats] = {}
    for version in versions:
        inputs.check()
        predictions = control.predict(version.heads.by_control.get(name), scored_images.inputs)
        if predictions is not None:
            predictions_of[version.version.number] = predictions
    metrics = {
        number: _estimates(control.scores(each, scored_images.labels), scored_images) for number, each in predictions_of.items()
    }
    changes = _changes(control, predictions_of, scored_images)
    live = predictions_of.get(inputs.project.live_version)
    kind: Literal["classes", "number"] = "classes" if isinstance(control, ClassControl) else "number"
    report = ControlReport(
        name=name,
        kind=kind,
        held_out=len(scored_images),
        versions=version_rows(inputs, control.control, versions, metrics=metrics, changes=changes),
        per_class={} if live is None else _label_estimates(control, live, scored_images),
        confusion=_confusion(control, live, scored_images),
        reliability=_reliability(control, live, scored_images),
        curve=_make_curve(
            inputs, control, scored_images, reader, [changes.get(version.version.number) for version in versions]
        ),
        problem="" if len(scored_images) else "No held-out image has been annotated yet, so no version can be scored.",
    )
    return EmbeddedFigures(report, scored_images, live)


def _estimates(scores: Mapping[Metric, Score], scored_images: ScoredImages) -> dict[Metric, Estimate]:
    estimates = {metric: estimate(score, scored_images.groups) for metric, score in scores.items()}
    return {metric: value for metric, value in estimates.items() if value is not None}


def _label_estimates(control: EmbeddedControl, live: Floats, scored_images: ScoredImages) -> dict[str, dict[Metric, Estimate]]:
    return {
        label: _estimates(scores, scored_images) for label, scores in control.label_scores(live, scored_images.labels).items()
    }


def _changes(
    control: EmbeddedControl, predictions_of: Mapping[int, Floats], scored_images: ScoredImages
) -> dict[int, Estimate]:
    """Return the kappa of each version with the version before it that predicts the control."""
    changes: dict[int, Estimate] = {}
    for before, after in pairwise(sorted(predictions_of)):
        first, second = control.codes(predictions_of[before]), control.codes(predictions_of[after])
        if first is not None and second is not None:
            kappa = estimate(cohen_kappa(first, second), scored_images.groups)
            if kappa is not None:
                changes[after] = kappa
    return changes


def _confusion(control: EmbeddedControl, live: Floats | None, scored_images: ScoredImages) -> Matrix | None:
    if not isinstance(control, ClassControl) or control.control.multiple or live is None:
        return None
    labels = [label.value for label in control.control.labels]
    true_class, predicted_class = control.targets(scored_images.labels).argmax(axis=1), live.argmax(axis=1)
    return Matrix(labels=labels, counts=count_confusions(true_class, predicted_class, classes=len(labels)))


def _reliability(control: EmbeddedControl, live: Floats | None, scored_images: ScoredImages) -> list[ReliabilityBin]:
    if not isinstance(control, ClassControl) or live is None:
        return []
    targets = control.targets(scored_images.labels)
    if control.control.multiple:  # each label is a question of its own
        return reliability_bins(live.ravel(), targets.ravel())
    rows, likeliest = np.arange(len(live)), live.argmax(axis=1)
    return reliability_bins(live[rows, likeliest], targets[rows, likeliest])


def _make_curve(
    inputs: ReportInputs,
    control: EmbeddedControl,
    scored_images: ScoredImages,
    reader: EmbeddingReader,
    changes: Sequence[Estimate | None],
) -> Curve | None:
    if not len(scored_images):
        return None
    curve = measure_curve(inputs, control, scored_images, reader)
    chance = measure_random_curve(inputs, control, scored_images, reader)
    answered_tasks = [image.task for image in inputs.truth[control.control.name].labels]
    training, held_out = (
        sum(task in part for task in answered_tasks) for part in (inputs.training_tasks, inputs.held_out_tasks)
    )
    outlook = make_forecast(
        curve.points,
        metric=control.metric,
        at=training,
        trained_share=training / max(training + held_out, 1),
        seconds=inputs.seconds,
        changes=changes,
    )
    return Curve(
        metric=control.metric,
        points=curve.points,
        random=chance.points,
        forecast=outlook,
        saved=_estimate_saved(curve, chance, scored_images),
    )


def _estimate_saved(curve: MeasuredCurve, chance: MeasuredCurve, scored_images: ScoredImages) -> Estimate | None:
    return labels_saved(curve.labels, curve.values, chance.labels, chance.values, groups=scored_images.galaxies)

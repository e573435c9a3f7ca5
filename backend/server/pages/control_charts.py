"""The charts of one control: learning curve, change between versions, reliability, and the annotators' effort."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from backend.reports.curve import Curve, CurvePoint
from backend.reports.estimate import Estimate, Metric
from backend.reports.metric_names import AGREEMENT_NAMES, METRIC_NAMES, METRICS_WITH_UNIT, format_number
from backend.reports.reliability import calibration_error
from backend.reports.report import ControlReport, VersionReport
from backend.server.pages.charts import Chart, ChartPoint, Series, draw_chart

__all__ = ["draw_acceptance", "draw_change", "draw_learning_curve", "draw_reliability", "draw_seconds"]

NORMAL_95 = 1.96
"""Half-width of a 95 % interval in standard errors."""
LEAST_LABELS = 10.0
"""Smallest upper end of an axis of labels: the shipped version has none."""
BLUE, VERMILLION, GREEN = 1, 2, 3


def draw_learning_curve(control: ControlReport, id_: str, *, trained_share: float = 1.0) -> Chart | None:
    """Draw quality against labels, in the order of annotation and in random order, and the forecast; None without a curve.

    Parameters
    ----------
    trained_share : float
        Share of the labels that versions are trained on; a forecast also counts the labels that are held out.
    """
    curve = control.curve
    if curve is None or not curve.points:
        return None
    series = [Series("in the order of annotation", [_to_point(point, curve.metric) for point in curve.points], BLUE)]
    if curve.random:
        series.append(
            Series("in random order", [_to_point(point, curve.metric) for point in curve.random], VERMILLION, dashed=True)
        )
    if forecast := _forecast_points(curve, trained_share):
        series.append(Series("forecast, 68% interval", forecast, GREEN, dashed=True))
    return draw_chart(
        id_,
        series,
        title="Learning curve",
        summary=_describe_curve(curve),
        x_title="labels for training",
        y_title=METRIC_NAMES[curve.metric],
    )


def draw_change(control: ControlReport, id_: str) -> Chart | None:
    """Draw the agreement of the predictions of each version with the one before; None without two versions."""
    name = AGREEMENT_NAMES[control.kind]
    return _draw_by_version(
        control,
        id_,
        lambda version: version.change,
        title="Change between versions",
        summary=f"{name} between the predictions of each version and those of the one before; 1 means no change.",
        name="agreement with the version before",
        y_title=name,
        y_range=(0.0, 1.0),
    )


def draw_acceptance(control: ControlReport, id_: str) -> Chart | None:
    """Draw the share of predicted regions that annotators submitted unedited, by version; None without any."""
    return _draw_by_version(
        control,
        id_,
        lambda version: None if version.accepted is None else Estimate(value=100 * version.accepted),
        title="Accepted unedited",
        summary="Share of predicted regions that annotators submitted as they were, by the version that predicted them.",
        name="accepted unedited",
        y_title="accepted unedited, %",
        y_range=(0.0, 100.0),
    )


def draw_seconds(control: ControlReport, id_: str) -> Chart | None:
    """Draw the median time of an annotation, by version; None without any."""
    return _draw_by_version(
        control,
        id_,
        lambda version: None if version.median_seconds is None else Estimate(value=version.median_seconds),
        title="Time per task",
        summary="Median time that an annotator needs for a task, by the version that predicted it.",
        name="median time",
        y_title="median seconds per task",
        y_range=(0.0, 1.0),
    )


def draw_reliability(control: ControlReport, id_: str) -> Chart | None:
    """Draw the share of correct predictions against their confidence; None without bins."""
    bins = [bin_ for bin_ in control.reliability if bin_.count]
    if not bins:
        return None
    points = [ChartPoint(bin_.confidence, bin_.accuracy, note=f"{bin_.count} predictions") for bin_ in bins]
    error = calibration_error(bins)
    return draw_chart(
        id_,
        [Series("predictions, in bins of confidence", points, BLUE)],
        title="Reliability",
        summary=f"Confidence and the share of correct predictions differ by {error:.3f} on average (calibration error).",
        x_title="confidence",
        y_title="share correct",
        x_range=(0.0, 1.0),
        y_range=(0.0, 1.0),
        diagonal=True,
    )


def _describe_curve(curve: Curve) -> str:
    """Describe a learning curve by its ends, and by the gain that each fitted curve family forecasts."""
    first, last = curve.points[0], curve.points[-1]
    first_value, last_value = format_number(first.value, curve.metric), format_number(last.value, curve.metric)
    name = METRIC_NAMES[curve.metric]
    text = f"{name} was {first_value} with {first.labels} labels and is {last_value} with {last.labels}."
    families = curve.forecast.families if curve.forecast is not None else {}
    if families:
        gains = ", ".join(f"{family} {gain:+.3f}" for family, gain in families.items())
        text += f" Forecast of each curve family: {gains}."
    return text


def _to_point(point: CurvePoint, metric: Metric) -> ChartPoint:
    """Return a point with its 95 % interval, which ends at 1 for scores that cannot be higher."""
    if not point.spread:
        return ChartPoint(point.labels, point.value)
    half = NORMAL_95 * point.spread
    high = point.value + half
    return ChartPoint(point.labels, point.value, point.value - half, high if metric in METRICS_WITH_UNIT else min(high, 1.0))


def _forecast_points(curve: Curve, trained_share: float) -> Sequence[ChartPoint]:
    forecast, last = curve.forecast, curve.points[-1]
    if forecast is None or forecast.gain is None:
        return []
    gain, labels = forecast.gain, last.labels + round(forecast.labels * trained_share)
    if gain.low is None or gain.high is None:
        return [ChartPoint(last.labels, last.value), ChartPoint(labels, last.value + gain.value)]
    start = ChartPoint(last.labels, last.value, last.value, last.value)
    return [start, ChartPoint(labels, last.value + gain.value, last.value + gain.low, last.value + gain.high)]


def _draw_by_version(
    control: ControlReport,
    id_: str,
    value_of: Callable[[VersionReport], Estimate | None],
    *,
    title: str,
    summary: str,
    name: str,
    y_title: str,
    y_range: tuple[float, float],
) -> Chart | None:
    points = []
    for version in control.versions:
        value = value_of(version)
        if value is not None:
            points.append(ChartPoint(version.labels, value.value, value.low, value.high, note=version.name))
    if not points:
        return None
    return draw_chart(
        id_,
        [Series(name, points, BLUE)],
        title=title,
        summary=summary,
        x_title="labels of the version",
        y_title=y_title,
        x_range=(0.0, max(LEAST_LABELS, *(point.x for point in points))),
        y_range=y_range,
    )

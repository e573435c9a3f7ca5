"""The forecast of a learning curve as the page shows it: the gain, the work, whether one may stop, and one sentence."""

from __future__ import annotations

from collections.abc import Sequence

from backend.reports.curve import CurvePoint, Forecast
from backend.reports.estimate import Estimate, Metric
from backend.reports.forecast import NoForecast, forecast
from backend.reports.metric_names import METRIC_NAMES
from backend.reports.stopping import may_stop

__all__ = ["MORE_LABELS", "make_forecast"]

MORE_LABELS = 100


def make_forecast(
    points: Sequence[CurvePoint],
    *,
    metric: Metric,
    at: int,
    trained_share: float = 1.0,
    seconds: float | None,
    changes: Sequence[Estimate | None],
) -> Forecast:
    """Make the forecast for the next `MORE_LABELS` labels.

    Parameters
    ----------
    points : sequence of CurvePoint
    metric : Metric
        The score of the points.
    at : int
        Number of labels now that a version is trained on.
    trained_share : float
        Share of labels that versions are trained on; the others are held out.
    seconds : float or None
        Median time of an annotation, seconds.
    changes : sequence of Estimate or None
        As for `may_stop`.
    """
    hours = None if seconds is None else MORE_LABELS * seconds / 3600
    try:
        gain, families = forecast(points, at=at, further_labels=max(round(MORE_LABELS * trained_share), 1))
    except NoForecast as reason:
        return Forecast(labels=MORE_LABELS, hours=hours, sentence=str(reason))
    stop = may_stop(changes, gain)
    sentence = f"The next {MORE_LABELS} labels: {_gain_in_words(gain, metric)}{_work_in_words(hours)}."
    if stop:
        sentence += " Predictions no longer change from version to version: you may stop."
    return Forecast(labels=MORE_LABELS, gain=gain, hours=hours, families=families, may_stop=stop, sentence=sentence)


def _gain_in_words(gain: Estimate, metric: Metric) -> str:
    low, high = gain.low if gain.low is not None else gain.value, gain.high if gain.high is not None else gain.value
    return f"{gain.value:+.3f} ± {(high - low) / 2:.3f} {METRIC_NAMES[metric]}"


def _work_in_words(hours: float | None) -> str:
    if hours is None:
        return ""
    return f", about {hours:.1f} hours of work" if hours >= 1 else f", about {max(round(hours * 60), 1)} minutes of work"

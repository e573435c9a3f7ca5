"""Small figures of a report: reliability, labels saved, when to stop, sizes of a curve, the map, and the sentence."""

from __future__ import annotations

import numpy as np
import pytest

from backend.reports.curve import CurvePoint
from backend.reports.curve_sizes import curve_sizes
from backend.reports.estimate import Estimate
from backend.reports.labels_saved import labels_saved
from backend.reports.outlook import make_forecast
from backend.reports.principal_axes import project_to_map
from backend.reports.reliability import reliability_bins
from backend.reports.stopping import may_stop

STABLE = [Estimate(value=0.99)] * 3
NO_GAIN = Estimate(value=0.001, low=0, high=0.004)


def test_calibrated_predictions_lie_on_the_diagonal() -> None:
    source = np.random.default_rng(0)
    confidence = source.uniform(0.3, 1, 5000)
    bins = reliability_bins(confidence, (source.random(5000) < confidence).astype(float))
    assert [part.count for part in bins] == [500] * 10
    assert [part.accuracy for part in bins] == pytest.approx([part.confidence for part in bins], abs=0.06)


def test_few_predictions_have_few_bins() -> None:
    assert [part.count for part in reliability_bins(np.full(25, 0.8), np.ones(25))] == [13, 12]
    assert len(reliability_bins(np.full(3, 0.8), np.ones(3))) == 1
    assert reliability_bins(np.empty(0), np.empty(0)) == []


def test_half_of_the_labels_are_saved() -> None:
    labels, values = np.array([10, 20, 50]), np.array([0.5, 0.7, 0.9])
    random_labels, random_values = np.array([20, 40, 80]), np.array([0.5, 0.7, 0.8])
    estimate = labels_saved(
        labels, np.repeat(values[:, None], 9, 1), random_labels, np.repeat(random_values[:, None], 9, 1), groups=40
    )
    assert estimate is not None
    assert estimate.value == estimate.low == estimate.high == pytest.approx(1 - 35 / 80)


def test_one_point_saves_nothing_that_can_be_measured() -> None:
    assert labels_saved(np.array([10]), np.ones((1, 3)), np.array([10, 20]), np.ones((2, 3)), groups=40) is None


def test_a_resample_without_a_score_is_left_out() -> None:
    values = np.array([[0.5, 0.5, np.nan], [0.7, 0.7, np.nan]])
    estimate = labels_saved(np.array([10, 20]), values, np.array([20, 40]), values, groups=40)
    assert estimate is not None
    assert estimate.low == estimate.value == 0.5


@pytest.mark.parametrize(
    ("changes", "gain", "stop"),
    [
        (STABLE, NO_GAIN, True),
        ([Estimate(value=0.5), *STABLE], NO_GAIN, True),
        (STABLE[:2], NO_GAIN, False),
        ([*STABLE, None], NO_GAIN, False),
        ([*STABLE, Estimate(value=0.98)], NO_GAIN, False),
        (STABLE, Estimate(value=0.001, low=0, high=0.005), False),
        (STABLE, None, False),
    ],
)
def test_a_team_may_stop_once_versions_are_stable_and_gains_small(
    changes: list[Estimate | None], gain: Estimate | None, stop: bool
) -> None:
    assert may_stop(changes, gain) is stop


def test_sizes_have_equal_ratios() -> None:
    assert curve_sizes(160, count=5) == [10, 20, 40, 80, 160]
    assert curve_sizes(10, count=5) == [10]
    assert curve_sizes(14, count=8) == [10, 12, 14]
    assert curve_sizes(9, count=5) == []


def test_the_map_shows_the_longest_axes() -> None:
    source = np.random.default_rng(0)
    embeddings = source.normal(0, 1, (300, 20)) * ([9, 5] + [0.1] * 18)
    places = project_to_map(embeddings.astype(np.float32))
    assert np.abs(np.corrcoef(places[:, 0], embeddings[:, 0])[0, 1]) > 0.99
    assert np.abs(np.corrcoef(places[:, 1], embeddings[:, 1])[0, 1]) > 0.99
    assert np.abs(places).max() == 1


def test_one_embedding_lies_at_the_centre_of_the_map() -> None:
    assert project_to_map(np.ones((1, 20), np.float32)).tolist() == [[0, 0]]
    assert project_to_map(np.ones((5, 20), np.float32)).tolist() == [[0, 0]] * 5


def curve() -> list[CurvePoint]:
    return [CurvePoint(labels=size, value=0.95 - 0.9 * (1 + size) ** -0.6) for size in (10, 20, 40, 80, 160)]


def test_the_forecast_is_one_sentence() -> None:
    forecast = make_forecast(curve(), metric="macro_auc", at=160, seconds=68.4, changes=[])
    assert forecast.sentence.startswith("The next 100 labels: +0.01")
    assert forecast.sentence.endswith(" AUC, about 1.9 hours of work.")
    assert forecast.hours == pytest.approx(1.9)
    assert not forecast.may_stop


def test_short_work_is_given_in_minutes() -> None:
    forecast = make_forecast(curve(), metric="r2", at=160, seconds=12, changes=[])
    assert forecast.sentence.endswith(" R², about 20 minutes of work.")


def test_a_finished_project_may_stop() -> None:
    flat = [CurvePoint(labels=size, value=0.9) for size in (10, 20, 40, 80, 160)]
    forecast = make_forecast(flat, metric="macro_auc", at=160, seconds=None, changes=STABLE)
    assert forecast.may_stop
    assert forecast.sentence.endswith(" AUC. Predictions no longer change from version to version: you may stop.")


def test_too_few_points_have_a_reason_and_no_gain() -> None:
    forecast = make_forecast(curve()[:2], metric="macro_auc", at=20, seconds=None, changes=STABLE)
    assert (forecast.gain, forecast.may_stop) == (None, False)
    assert forecast.sentence == "A forecast needs 4 points of the learning curve, which has 2."


def test_held_out_labels_bring_no_gain() -> None:
    all_rows, part = (
        make_forecast(curve(), metric="macro_auc", at=160, trained_share=share, seconds=None, changes=[]) for share in (1, 0.5)
    )
    assert part.gain is not None
    assert all_rows.gain is not None
    assert part.gain.value < 0.7 * all_rows.gain.value

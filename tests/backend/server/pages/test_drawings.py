"""The drawings of the page: line charts, the map of embeddings and the confusion matrix."""

from __future__ import annotations

import pytest

from backend.reports.curve import Curve, CurvePoint, Forecast
from backend.reports.estimate import Estimate
from backend.reports.report import ControlReport, Map, MapPoint, Matrix, VersionReport
from backend.server.pages.charts import ChartPoint, Series, draw_chart
from backend.server.pages.confusion import MAX_LABELS, tabulate_confusions
from backend.server.pages.control_charts import draw_change, draw_learning_curve, draw_reliability, draw_seconds
from backend.server.pages.embedding_map import COLOURS, draw_map


def test_a_line_goes_through_its_points_and_a_band_around_them() -> None:
    points = [ChartPoint(0, 0.0, -0.5, 0.5), ChartPoint(10, 1.0, 0.5, 1.5)]
    (chart,) = draw_chart("c", [Series("s", points, 1)], title="t", summary="", x_title="x", y_title="y").paths
    first, last = chart.marks
    assert chart.line == f"M{first.x} {first.y}L{last.x} {last.y}"
    assert chart.band == f"M{first.x} {first.top}L{last.x} {last.top}L{last.x} {last.bottom}L{first.x} {first.bottom}Z"
    assert first.top is not None
    assert first.bottom is not None
    assert first.top < first.y < first.bottom


def test_one_point_has_neither_line_nor_band() -> None:
    (chart,) = draw_chart("c", [Series("s", [ChartPoint(1, 1, 0, 2)], 1)], title="t", summary="", x_title="", y_title="").paths
    assert (chart.line, chart.band, len(chart.marks)) == ("", "", 1)


def test_the_forecast_starts_at_the_last_point_and_ends_at_the_predicted_label() -> None:
    forecast = Forecast(labels=100, gain=Estimate(value=0.02, low=0.01, high=0.03))
    curve = Curve(
        metric="accuracy", points=[CurvePoint(labels=50, value=0.7), CurvePoint(labels=100, value=0.8)], forecast=forecast
    )
    chart = draw_learning_curve(ControlReport(name="c", kind="classes", curve=curve), "c")
    assert chart is not None
    start, end = chart.paths[-1].series.points
    assert (start.x, start.y) == (100, 0.8)
    assert (end.x, end.y, end.low, end.high) == pytest.approx((200, 0.82, 0.81, 0.83))


def test_the_band_of_a_learning_curve_ends_at_one() -> None:
    curve = Curve(metric="accuracy", points=[CurvePoint(labels=50, value=0.98, spread=0.02)])
    chart = draw_learning_curve(ControlReport(name="c", kind="classes", curve=curve), "c")
    assert chart is not None
    (point,) = chart.paths[0].series.points
    assert (point.low, point.high) == pytest.approx((0.98 - 1.96 * 0.02, 1.0))


def test_a_forecast_counts_the_labels_that_are_held_out() -> None:
    forecast = Forecast(labels=100, gain=Estimate(value=0.02))
    curve = Curve(metric="accuracy", points=[CurvePoint(labels=80, value=0.8)], forecast=forecast)
    chart = draw_learning_curve(ControlReport(name="c", kind="classes", curve=curve), "c", trained_share=0.8)
    assert chart is not None
    assert [point.x for point in chart.paths[-1].series.points] == [80, 160]


def test_a_control_without_figures_has_no_charts() -> None:
    control_report = ControlReport(name="c", kind="classes", curve=Curve(metric="accuracy"))
    for draw in (draw_learning_curve, draw_change, draw_seconds, draw_reliability):
        assert draw(control_report, "c") is None


def test_an_axis_of_labels_starts_at_none_with_the_shipped_version_alone() -> None:
    version = VersionReport(number=1, name="v0001", created_at=0.0, labels=0, median_seconds=8.0)
    chart = draw_seconds(ControlReport(name="mood", kind="classes", versions=[version]), "seconds")
    assert chart is not None
    assert (chart.x.low, chart.x.high) == (0, 10)


def test_a_map_has_one_path_per_label_whatever_the_number_of_tasks() -> None:
    points = [MapPoint(task=i, x=-1, y=1, label=i % 3 - 1) for i in range(300)]
    drawing = draw_map(Map(control="c", labels=["a", "b"], points=points))
    assert [(group.name, group.style, group.count) for group in drawing.groups] == [
        ("not annotated", "c0", 100),
        ("a", "c1", 100),
        ("b", "c2", 100),
    ]
    assert drawing.groups[0].path.startswith("M10.0 10.0h0M10.0 10.0h0")


def test_the_rarest_labels_of_a_map_share_a_colour() -> None:
    labels = [f"l{i}" for i in range(10)]
    points = [MapPoint(task=i, x=0, y=0, label=i % 10 if i < 90 else 3) for i in range(100)]
    groups = draw_map(Map(control="c", labels=labels, points=points)).groups
    assert len(groups) == COLOURS
    assert groups[0].name == "4 other labels"
    assert groups[1].name == "l3"


def test_a_label_index_beyond_the_labels_is_drawn() -> None:
    assert draw_map(Map(control="c", labels=[], points=[MapPoint(task=1, x=0, y=0, label=5)])).groups[0].name == "label 5"


def test_shares_of_a_confusion_matrix_are_those_of_its_rows() -> None:
    table = tabulate_confusions(Matrix(labels=["a", "b"], counts=[[9, 1], [0, 0]]))
    (_, (right, wrong), total), (_, control_report, none) = table.rows
    assert (right.share, right.level, right.diagonal) == (0.9, 8, True)
    assert (wrong.share, wrong.level, wrong.diagonal) == (0.1, 1, False)
    assert (total, none, [cell.share for cell in control_report]) == (10, 0, [0.0, 0.0])


def test_a_large_confusion_matrix_keeps_the_frequent_labels_and_every_image() -> None:
    size = 40
    counts = [[i if i == j else 1 for j in range(size)] for i in range(size)]
    table = tabulate_confusions(Matrix(labels=[f"l{i}" for i in range(size)], counts=counts))
    assert len(table.labels) == len(table.rows) == MAX_LABELS
    assert table.labels[-1] == "29 other labels"
    assert table.total == sum(map(sum, counts))

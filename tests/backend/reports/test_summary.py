"""The score that stands for a control's quality, and its form."""

from __future__ import annotations

from backend.reports.curve import Curve
from backend.reports.estimate import Estimate
from backend.reports.report import ControlReport, VersionReport
from backend.reports.summary import choose_headline

ACCURACY, AUC = Estimate(value=0.9, low=0.85, high=0.94), Estimate(value=0.97)


def control(curve: Curve | None = None, **metrics: Estimate) -> ControlReport:
    version = VersionReport.model_validate({"number": 2, "name": "v0002", "created_at": 0, "labels": 9, "metrics": metrics})
    return ControlReport(name="c", kind="classes", versions=[version], curve=curve)


def test_the_headline_is_the_score_of_the_learning_curve() -> None:
    headline = choose_headline(control(Curve(metric="accuracy"), accuracy=ACCURACY, macro_auc=AUC), 2)
    assert str(headline) == "accuracy 0.900 (0.850 to 0.940)"


def test_without_a_curve_it_is_the_most_informative_score() -> None:
    assert str(choose_headline(control(accuracy=ACCURACY, macro_auc=AUC), 2)) == "macro AUC 0.970"


def test_a_score_with_a_unit_has_as_many_decimals_as_it_needs() -> None:
    error = Estimate(value=1234.5678, low=1200.0, high=1300.0)
    assert str(choose_headline(control(rmse=error), 2)) == "RMSE 1,235 (1,200 to 1,300)"


def test_without_scores_of_the_live_version_there_is_none() -> None:
    assert choose_headline(control(accuracy=ACCURACY), 3) is None
    assert choose_headline(control(), 2) is None

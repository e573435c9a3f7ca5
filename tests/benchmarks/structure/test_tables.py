"""Rows of the benchmark: errors, coverage and bias of answers."""

from __future__ import annotations

from benchmarks.structure.tables import Run, accuracy_row, coverage_row, pool_runs

TRUE = [{"re_px": 10.0, "sersic_n": 2.0, "axis_ratio": 0.5, "mag": 20.0}] * 3
ANSWERS = [
    {"re_px": (11.0, 2.0), "sersic_n": (2.0, 0.5), "axis_ratio": (0.6, 0.05), "mag": (20.1, 0.2)},
    {"re_px": (9.0, 0.5), "sersic_n": (2.2, 0.5), "axis_ratio": (0.5, 0.05), "mag": (20.0, 0.2)},
    {},
]


RUN = Run("m", (20, 50), ANSWERS, TRUE, 0.02)


def test_errors_are_medians_of_the_galaxies_with_a_value() -> None:
    assert accuracy_row(RUN) == ["20-50", "m", "2 of 3", "10.0", "5.0", "0.050", "0.050", "20"]


def test_a_method_without_a_quantity_has_an_empty_field() -> None:
    row = accuracy_row(Run("m", (20, 50), [{"re_px": (11.0, None)}], TRUE[:1], 0.001))
    assert row[3:7] == ["10.0", "", "", ""]


def test_coverage_and_bias_are_in_units_of_the_error() -> None:
    row = coverage_row(RUN)
    assert row[2].startswith("50%, -0.75")
    assert row[3].startswith("100%, +0.20")


def test_pooled_ranges_have_the_answers_of_all() -> None:
    pool_of_runs = pool_runs([RUN.first(1), Run("m", (50, 500), ANSWERS[1:], TRUE[1:], 0.04)])
    assert pool_of_runs.limits == (20, 500)
    assert accuracy_row(pool_of_runs)[2:4] == ["2 of 3", "10.0"]

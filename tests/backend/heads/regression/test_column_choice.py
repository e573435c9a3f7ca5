from __future__ import annotations

import numpy as np
import pytest

from backend.heads.feature_blocks import COLUMNS, STRUCTURE, Block, FeatureBlocks
from backend.heads.regression.column_choice import choose_features

RNG = np.random.default_rng(0)
VALUES = RNG.uniform(0, 1, 40)


def rows(**columns: np.ndarray) -> list[FeatureBlocks]:
    """Return the columns of galaxies; NaN is missing."""
    return [
        {COLUMNS: Block({name: float(column[row]) for name, column in columns.items() if np.isfinite(column[row])})}
        for row in range(len(VALUES))
    ]


def test_magnitudes_are_followed_by_their_colours() -> None:
    magnitudes = {name: RNG.normal(20, 1, 40) for name in ("mag_g", "err_g", "mag_r")}
    table = choose_features(rows(**magnitudes), VALUES, control="redshift")
    matrix = table.read(rows(**magnitudes), COLUMNS)
    assert matrix.shape == (40, 4)
    assert matrix[:, 3] == pytest.approx(magnitudes["mag_g"] - magnitudes["mag_r"])


@pytest.mark.parametrize(
    ("name", "column", "reason"),
    [
        ("Redshift", RNG.normal(size=40), "has the name of the control"),
        ("catalogue_redshift", RNG.normal(size=40), "has the name of the control"),
        ("zspec", VALUES, "holds the answer"),
        ("zspec", np.round(VALUES, 3), "holds the answer"),
        ("zspec", np.where(np.arange(40) < 3, 0.5, VALUES), "holds the answer"),
        ("velocity", 299792.458 * VALUES, "holds the answer"),
        ("flag", np.full(40, 3.0), "is 3 for all labelled galaxies"),
        ("rare", np.where(np.arange(40) < 3, 0.5, np.nan), "only 3 of 40 labelled galaxies have it"),
    ],
)
def test_a_column_that_holds_the_answer_or_nothing_is_left_out(name: str, column: np.ndarray, reason: str) -> None:
    table = choose_features(rows(mag_r=RNG.normal(size=40), **{name: column}), VALUES, control="redshift")
    assert table.names[COLUMNS] == ("mag_r",)
    (sentence,) = table.left_out
    assert name in sentence
    assert reason in sentence


def test_a_column_near_the_labels_is_a_feature() -> None:
    photometric = VALUES + RNG.normal(0, 0.03, 40)
    assert choose_features(rows(z_phot=photometric), VALUES, control="redshift").names[COLUMNS] == ("z_phot",)


def test_a_measured_value_that_equals_the_labels_is_a_feature() -> None:
    measurements = [{STRUCTURE: Block({"sersic_n": float(value)})} for value in VALUES]
    assert choose_features(measurements, VALUES, control="sersic_n").names[STRUCTURE] == ("sersic_n",)


def test_a_galaxy_with_few_of_the_columns_does_not_have_the_block() -> None:
    table = choose_features(rows(**{f"mag_{band}": RNG.normal(size=40) for band in "ugriz"}), VALUES, control="redshift")
    galaxies: list[FeatureBlocks] = [{COLUMNS: Block({"mag_u": 20.0, "mag_g": 19.0})}, {}, *rows(mag_u=VALUES)[:1]]
    galaxies.append({COLUMNS: Block({f"mag_{band}": 20.0 for band in "ugr"})})
    assert table.present(galaxies, COLUMNS).tolist() == [False, False, False, True]

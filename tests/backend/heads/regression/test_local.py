from __future__ import annotations

import numpy as np
import pytest

from backend.heads.feature_blocks import COLUMNS, IMAGE, Block
from backend.heads.regression.column_choice import choose_features
from backend.heads.regression.local import LocalFit

ALL = np.ones(2, bool)


def curve(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    points = np.random.default_rng(seed).uniform(-2, 2, (n, 2))
    return points, np.sin(points[:, 0]) + 0.3 * points[:, 1]


def test_a_bent_relation_is_followed_and_wrong_labels_do_not_pull_it() -> None:
    points, values = curve(1500, 0)
    values[::25] += 3
    fit = LocalFit.fit(points, values, compact=ALL)
    inner, true = curve(200, 1)
    assert np.median(np.abs(fit.predict(inner)[0] - true)) < 0.03


def test_missing_values_and_few_galaxies_are_predicted_within_the_labels() -> None:
    points, values = curve(10, 0)
    other = np.array([[np.nan, np.nan], [50.0, -50.0]])
    predictions = LocalFit.fit(points, values, compact=ALL).predict(other)[0]
    assert ((predictions >= values.min()) & (predictions <= values.max())).all()


def test_only_the_compact_columns_count() -> None:
    points, values = curve(300, 0)
    noise = np.random.default_rng(2).normal(size=(300, 5))
    compact = np.array([True, True, *[False] * 5])
    wide = LocalFit.fit(np.column_stack([points, noise]), values, compact=compact)
    assert wide.predict(np.column_stack([points, noise[::-1]]))[0] == pytest.approx(
        LocalFit.fit(points, values, compact=ALL).predict(points)[0]
    )


def test_one_magnitude_and_the_colours_of_neighbours_are_compact() -> None:
    rng = np.random.default_rng(0)
    rows = [{COLUMNS: Block(dict(zip(("mag_g", "err_g", "mag_r", "mag_i", "size"), row, strict=True)))}
            for row in rng.normal(size=(20, 5)).tolist()]  # fmt: skip
    table = choose_features(rows, rng.normal(size=20), control="redshift")
    # image; mag_g, err_g, mag_r, mag_i, size; g - r, g - i, r - i
    expected = [True, False, False, True, False, True, True, False, True]
    assert table.compact((IMAGE, COLUMNS)).tolist() == expected

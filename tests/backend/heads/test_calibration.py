"""Calibration of measured quantities from the values that annotators give."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from backend.heads.calibration import MINIMUM_LABELS, Calibration
from backend.heads.errors import HeadError, NotEnoughLabels
from sync.labelling.quantities import QUANTITIES

RADIUS, MAGNITUDE, ANGLE = QUANTITIES["re_px"], QUANTITIES["mag"], QUANTITIES["position_angle_deg"]


def random(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_a_factor_and_a_power_of_a_radius_are_learned() -> None:
    measurements = np.exp(random().uniform(0, 3, 200))
    labels = 1.2 * measurements**0.9 * np.exp(0.05 * random(1).standard_normal(200))
    head = Calibration.fit(RADIUS, measurements, np.full(200, np.nan), labels)
    values, errors = head.predict(np.array([2.0, 10.0]), np.array([np.nan, np.nan]))
    assert values == pytest.approx(1.2 * np.array([2.0, 10.0]) ** 0.9, rel=0.03)
    assert errors / values == pytest.approx(0.05, rel=0.25)


def test_unchanged_labels_leave_the_measurement_as_it_is() -> None:
    measurements = random().uniform(18, 22, 50)
    head = Calibration.fit(MAGNITUDE, measurements, np.full(50, 0.1), measurements)
    values, errors = head.predict(measurements, np.full(50, 0.1))
    assert values == pytest.approx(measurements, abs=1e-6)
    assert errors == pytest.approx(0.1, abs=1e-6)


def test_an_offset_of_a_magnitude_is_learned_in_spite_of_outliers() -> None:
    values = random().uniform(18, 22, 60)
    labels = values - 0.5 + 0.02 * random(1).standard_normal(60)
    labels[:5] += 4.0
    head = Calibration.fit(MAGNITUDE, values, np.full(60, 0.02), labels)
    assert head.predict(np.array([20.0]), np.array([0.02]))[0] == pytest.approx(19.5, abs=0.1)


def test_an_offset_of_an_angle_crosses_north() -> None:
    measurements = random().uniform(0, 180, 40)
    head = Calibration.fit(ANGLE, measurements, np.full(40, 1.0), (measurements + 10) % 180)
    values, _ = head.predict(np.array([175.0]), np.array([1.0]))
    assert values == pytest.approx(4.3, abs=0.5)  # the prior holds back 3 of 43 parts


def test_few_labels_shrink_towards_the_measurement() -> None:
    values = np.full(MINIMUM_LABELS, 10.0)
    head = Calibration.fit(RADIUS, values, np.full(MINIMUM_LABELS, 0.1), 2 * values)
    assert 10 < head.predict(np.array([10.0]), np.array([0.1]))[0][0] < 20
    assert head.scale == 1


def test_missing_measurements_do_not_count_as_labels() -> None:
    values = np.r_[np.full(MINIMUM_LABELS - 1, 10.0), np.nan]
    with pytest.raises(NotEnoughLabels, match="5 images have a value and a measurement of re_px"):
        Calibration.fit(RADIUS, values, np.full(6, 0.1), np.full(6, 10.0))


def test_a_missing_measurement_has_no_value() -> None:
    head = Calibration(RADIUS, 0.1, 1.0, 0.0, 0.1, 10)
    values, errors = head.predict(np.array([np.nan, -1.0]), np.array([1.0, 1.0]))
    assert np.isnan(values).all()
    assert np.isnan(errors).all()


def test_a_calibration_survives_saving(tmp_path: Path) -> None:
    head = Calibration(ANGLE, 3.0, 1.0, 90.0, 2.0, 12)
    head.save(tmp_path)
    assert Calibration.load(tmp_path) == head


@pytest.mark.parametrize(("key", "value"), [("quantity", "mass"), ("offset", None), ("labels", "many")])
def test_a_damaged_calibration_is_refused(tmp_path: Path, key: str, value: object) -> None:
    Calibration(ANGLE, 3.0, 1.0, 90.0, 2.0, 12).save(tmp_path)
    file = tmp_path / "head.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {key: value}))
    with pytest.raises(HeadError):
        Calibration.load(tmp_path)

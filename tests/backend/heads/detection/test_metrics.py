from __future__ import annotations

import numpy as np
import pytest

from backend.heads.detection.metrics import clearly_better, f1


def test_f1_without_drawn_and_predicted_objects_is_one() -> None:
    assert f1(np.zeros((0, 0), bool)) == 1
    assert f1(np.zeros((3, 0), bool)) == 0
    assert f1(np.zeros((0, 2), bool)) == 0


def test_f1_counts_each_object_once() -> None:
    assert f1(np.array([[True, True], [False, False]])) == pytest.approx(0.5)
    assert f1(np.eye(4, dtype=bool)) == 1


def test_a_gain_within_its_standard_error_is_not_clear() -> None:
    default = np.full(4, 0.5)
    assert clearly_better(default + 0.1, default)
    assert not clearly_better(default + np.array([0.5, -0.4, 0.3, -0.3]), default)
    assert not clearly_better(default, default)
    assert not clearly_better(default[:1] + 0.1, default[:1])

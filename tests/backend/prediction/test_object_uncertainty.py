"""Uncertainty of the objects on one image."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backend.heads.detection.detected import Detected
from backend.heads.extraction.features import FEATURES
from backend.heads.extraction.source import Source
from backend.prediction.control_models.object_uncertainty import (
    acquisition_confidence,
    entropy_of_objects,
    mask_disagreement,
    missed_objects,
)
from sync.geometry.shapes import Box, Ellipse


def make_detection(score: float = 0.5, *, x: int = 0, side: int = 10) -> Detected:
    """Return a square object."""
    crop = np.ones((side, side), bool)
    ellipse = Ellipse(x + side / 2, side / 2, side / 2, side / 2)
    source = Source(1, Box(x, 0, side, side), ellipse, crop, (x, 0), 1.0, 1.0, 9.0, np.zeros(len(FEATURES), np.float32))
    return Detected(source, "Galaxy", score)


def test_several_uncertain_objects_are_more_uncertain_than_one() -> None:
    assert entropy_of_objects([make_detection(0.5)]) == pytest.approx(1)
    assert entropy_of_objects([make_detection(0.5), make_detection(0.5), make_detection(1.0)]) == pytest.approx(2)
    assert (
        entropy_of_objects([make_detection(0.9)])
        == pytest.approx(entropy_of_objects([make_detection(0.1)]))
        == pytest.approx(0.469, abs=1e-3)
    )
    assert entropy_of_objects([]) == 0


def test_a_likely_source_without_an_object_is_missed() -> None:
    detections = [make_detection(0.9, x=0)]
    assert missed_objects(detections, [make_detection(0.8, x=2)]) == 0
    assert missed_objects(detections, [make_detection(0.8, x=50), make_detection(0.4, x=90)]) == 0.8
    assert missed_objects([], []) == 0


def test_masks_disagree_where_two_outlines_of_an_object_differ() -> None:
    before = make_detection(side=10)
    half = replace(before, source=replace(before.source, crop=before.source.crop[:5]))
    assert mask_disagreement([before], [before]) == 0
    assert mask_disagreement([before], [half]) == pytest.approx(0.5)
    empty_detection = replace(before, source=replace(before.source, crop=np.zeros((2, 2), bool)))
    assert mask_disagreement([before], [empty_detection]) == 1


def test_confidence_falls_with_uncertainty() -> None:
    assert acquisition_confidence(0) == 1
    assert acquisition_confidence(1) == 0.5
    assert 0 < acquisition_confidence(100) < 0.01

"""Agreement: 1 for the annotator's answer, less with the distance from it, always in [0, 1]."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from backend.heads.classification.questions import QuestionTree
from backend.heads.detection.detection import Detected
from backend.heads.extraction.features import FEATURES
from backend.heads.extraction.source import Source
from backend.prediction.control_models.agreement import class_agreement, matched_boxes, number_agreement
from backend.prediction.control_models.drawn_objects import LabelledObject
from sync.geometry.shapes import Box, Ellipse

SIZE = (60, 50)
boxes = st.builds(Box, st.integers(0, 40), st.integers(0, 30), st.integers(1, 20), st.integers(1, 20))
labels = st.sampled_from(["Galaxy", "Star"])
places = st.lists(st.tuples(boxes, labels), max_size=5)


def make_detected(box: Box, label: str = "Galaxy") -> Detected:
    """Return a detected rectangle that fills its box."""
    crop = np.ones((int(box.height), int(box.width)), bool)
    ellipse = Ellipse(box.x, box.y, box.width, box.height)
    features = np.zeros(len(FEATURES), np.float32)
    corner = (int(box.x), int(box.y))
    return Detected(Source(1, box, ellipse, crop, corner, flux=1, peak=1, snr=9, features=features), label, 0.9)


def make_drawn(box: Box, label: str = "Galaxy") -> LabelledObject:
    return LabelledObject(label, box, None)


probabilities = arrays(np.float64, (6, 3), elements=st.floats(0.01, 1)).map(lambda a: a / a.sum(axis=1, keepdims=True))


@given(probabilities, probabilities)
def test_agreement_of_classes_is_between_0_and_1(shares: np.ndarray, votes: np.ndarray) -> None:
    for exclusive in (True, False):
        agreement = class_agreement(shares, votes, exclusive=exclusive)
        assert agreement.shape == (6,)
        assert (agreement >= 0).all()
        assert (agreement <= 1).all()


def test_agreement_of_certain_classes_is_0_or_1() -> None:
    confident = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert class_agreement(confident, confident, exclusive=True).tolist() == [1, 1]
    assert class_agreement(confident, confident[::-1], exclusive=True).tolist() == [0, 0]


def test_a_path_that_differs_late_agrees_more_than_one_that_differs_early() -> None:
    tree = QuestionTree.of([("Smooth", "Round"), ("Disk", "Arms"), ("Disk", "Bar")])
    arms, bar, smooth = (tree.shares([[path]], exclusive=True)[None] for path in (tree.paths[1], tree.paths[2], tree.paths[0]))
    agreement = [class_agreement(shares, arms, exclusive=True, levels=tree.depth)[0] for shares in (arms, bar, smooth)]
    assert agreement == [1, 0.5, 0]


@given(probabilities, st.floats(0.01, 1))
def test_the_true_share_of_annotators_maximises_the_agreement(truth: np.ndarray, step: float) -> None:
    off = truth + step * (np.eye(3)[[0, 1, 2, 0, 1, 2]] - truth)
    for exclusive in (True, False):
        best = class_agreement(truth, truth, exclusive=exclusive)
        assert (class_agreement(off, truth, exclusive=exclusive) <= best).all()


def test_an_error_of_one_spread_gives_an_agreement_of_one_half() -> None:
    values = np.array([0.0, 2.0])  # standard deviation 1
    assert number_agreement(values + np.array([0, 1]), values, spread=1).tolist() == [1, 0.5]


def test_numbers_without_a_spread_agree_only_if_they_are_equal() -> None:
    agreement = number_agreement(np.array([3.0, 4.0]), np.array([3.0, 3.0]), spread=0)
    assert agreement == pytest.approx([1, 0], abs=1e-6)


@given(places, places)
def test_at_most_as_many_boxes_match_as_either_list_has(first: list[tuple[Box, str]], second: list[tuple[Box, str]]) -> None:
    match_count = matched_boxes([make_detected(*each) for each in first], [make_drawn(*each) for each in second])
    assert 0 <= match_count <= min(len(first), len(second))


@given(places)
def test_equal_boxes_all_match(objects: list[tuple[Box, str]]) -> None:
    assert matched_boxes([make_detected(*each) for each in objects], [make_drawn(*each) for each in objects]) == len(objects)


def test_another_label_does_not_match() -> None:
    box = Box(10, 10, 10, 10)
    assert matched_boxes([make_detected(box, "Star")], [make_drawn(box, "Galaxy")]) == 0


def test_boxes_are_matched_one_to_one() -> None:
    box = Box(10, 10, 10, 10)
    assert matched_boxes([make_detected(box), make_detected(box)], [make_drawn(box)]) == 1


def test_boxes_match_from_an_overlap_of_one_half() -> None:
    assert matched_boxes([make_detected(Box(0, 0, 20, 10))], [make_drawn(Box(0, 0, 10, 10))]) == 1
    assert matched_boxes([make_detected(Box(0, 0, 20, 10))], [make_drawn(Box(0, 0, 9, 10))]) == 0

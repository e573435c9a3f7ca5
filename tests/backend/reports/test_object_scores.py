"""Scores of objects agree with torchmetrics."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.reports import object_scores
from backend.reports.object_scores import ImageMatches, average_precision, f1, mask_iou, match_detections
from sync.geometry.overlap import box_overlaps

torch = pytest.importorskip("torch")
detection = pytest.importorskip("torchmetrics.detection")

NAMES = ("spiral", "elliptical")


Floats = NDArray[np.float64]
Image = tuple[Floats, list[str], Floats, Floats, list[str]]


def simulate(source: np.random.Generator) -> Image:
    """Return boxes (edges) and labels of drawn objects, and boxes, scores and labels of detections."""
    count = int(source.integers(0, 6))
    corners = source.uniform(0, 200, (count, 2))
    true_boxes = np.hstack([corners, corners + source.uniform(15, 40, (count, 2))])
    labels = source.choice(NAMES, count).tolist()
    is_found = source.random(count) < 0.8
    found_boxes = true_boxes[is_found] + source.normal(0, 3, (int(is_found.sum()), 4))
    false_boxes = source.uniform(0, 200, (int(source.integers(0, 3)), 2))
    boxes = np.vstack([found_boxes, np.hstack([false_boxes, false_boxes + 25])])
    names = [name if source.random() < 0.9 else NAMES[0] for name, keep in zip(labels, is_found, strict=True) if keep]
    names += source.choice(NAMES, len(false_boxes)).tolist()
    return true_boxes, labels, boxes, source.random(len(boxes)), names


def match_image(true_boxes: Floats, labels: list[str], boxes: Floats, scores: Floats, names: list[str]) -> ImageMatches:
    matches = match_detections(box_overlaps(boxes, true_boxes), scores, names, labels)
    return ImageMatches(tuple(names), scores, matches, tuple(labels))


def test_average_precision_is_that_of_torchmetrics(monkeypatch: pytest.MonkeyPatch) -> None:
    # torchmetrics takes the recalls in single precision, which are above or below ours by 1e-8.
    monkeypatch.setattr(object_scores, "RECALLS", torch.linspace(0, 1, 101).double().numpy())
    source = np.random.default_rng(5)
    images = [simulate(source) for _ in range(25)]
    reference = detection.MeanAveragePrecision(iou_thresholds=[0.5], class_metrics=True)
    for true_boxes, labels, boxes, scores, names in images:
        truth = {
            "boxes": torch.tensor(true_boxes).float().reshape(-1, 4),
            "labels": torch.tensor([NAMES.index(n) for n in labels]),
        }
        prediction = {
            "boxes": torch.tensor(boxes).float().reshape(-1, 4),
            "labels": torch.tensor([NAMES.index(n) for n in names]),
        }
        prediction["scores"] = torch.tensor(scores).float()
        reference.update(
            [{k: v.long() if k == "labels" else v for k, v in prediction.items()}],
            [{k: v.long() if k == "labels" else v for k, v in truth.items()}],
        )
    expected = reference.compute()
    ones = np.ones((1, 25))
    pairs = [match_image(*image) for image in images]
    assert average_precision(pairs)(ones)[0] == pytest.approx(float(expected["map"]), abs=1e-6)
    by_label = [average_precision(pairs, label=name)(ones)[0] for name in NAMES]
    assert by_label == pytest.approx(expected["map_per_class"].tolist(), abs=1e-6)


def test_an_image_drawn_twice_counts_twice() -> None:
    source = np.random.default_rng(6)
    pairs = [match_image(*simulate(source)) for _ in range(10)]
    weights = np.array([[2, 0, 1, 1, 1, 1, 1, 1, 1, 1]], np.float64)
    pairs_with_repeat = [pairs[0], pairs[0], *pairs[2:]]
    for score in (average_precision, f1):
        assert score(pairs)(weights)[0] == pytest.approx(score(pairs_with_repeat)(np.ones((1, 10)))[0])


def test_f1_counts_hits_of_all_images() -> None:
    first = ImageMatches(("a", "a"), np.array([0.9, 0.5]), np.array([0, -1]), ("a", "a", "a"))
    second = ImageMatches((), np.empty(0), np.empty(0, np.intp), ("b",))
    assert f1([first, second])(np.ones((1, 2)))[0] == pytest.approx(2 * 1 / 6)
    assert f1([first, second], label="a")(np.ones((1, 2)))[0] == pytest.approx(2 * 1 / 5)


def test_a_better_detection_takes_the_object() -> None:
    overlaps = np.array([[0.6], [0.9], [0.95]])
    assert match_detections(overlaps, np.array([0.5, 0.8, 0.1]), ["a", "a", "a"], ["a"]).tolist() == [-1, 0, -1]
    assert match_detections(overlaps, np.array([0.5, 0.8, 0.1]), ["a", "b", "b"], ["a"]).tolist() == [0, -1, -1]


def test_images_without_objects_have_no_score() -> None:
    no_objects = [ImageMatches((), np.empty(0), np.empty(0, np.intp), ())]
    for score in (average_precision, f1, mask_iou):
        assert np.isnan(score(no_objects)(np.ones((1, 1)))).all()


def test_missed_objects_have_a_precision_of_zero() -> None:
    one_miss = [ImageMatches((), np.empty(0), np.empty(0, np.intp), ("a",))]
    assert average_precision(one_miss)(np.ones((1, 1))).tolist() == [0]


def test_the_overlap_of_masks_is_averaged_over_objects() -> None:
    images = [
        ImageMatches(("a",), np.ones(1), np.zeros(1, np.intp), ("a",), (0.9,)),
        ImageMatches(("a", "a"), np.ones(2), np.arange(2), ("a", "a"), (0.6, 0.6)),
    ]
    assert mask_iou(images)(np.ones((1, 2)))[0] == pytest.approx(0.7)

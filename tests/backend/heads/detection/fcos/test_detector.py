"""The learned detector: training on boxes, storage, and rejected inputs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from backend.heads.detection.fcos.detector import LearnedDetector
from backend.heads.detection.metrics import f1
from backend.heads.detection.model_selection import least_score
from backend.heads.errors import HeadError, NotEnoughLabels
from backend.heads.training import Schedule
from backend.lvm.encoder import Encoder
from backend.lvm.feature_maps import Pyramids
from sync.geometry.corners import box_edges
from sync.geometry.overlap import box_overlaps
from sync.geometry.shapes import Box

pytestmark = pytest.mark.slow

Discs = Callable[..., Any]
SHORT = Schedule(steps=2, rate=1e-3, batch=1)


def mean_f1(detector: LearnedDetector, pyramids: Pyramids, scenes: list[Any], least: float) -> float:
    """Return the mean F1 of boxes at an overlap of 0.5."""
    scores = []
    for image, drawn_boxes in scenes:
        detections = detector.predict(pyramids.of_pixels(image))
        boxes = detections.boxes[detections.scores >= least].double().numpy()
        scores.append(f1(box_overlaps(box_edges([box for box, _ in drawn_boxes]), boxes) >= 0.5))
    return float(np.mean(scores))


@pytest.fixture(scope="module")
def detectors(encoder: Encoder, discs: Discs, pyramid_of: Callable[..., Any]) -> tuple[LearnedDetector, LearnedDetector]:
    """Return an untrained detector, and the same after a training on twelve easy scenes."""
    scenes = [discs(seed) for seed in range(12)]
    blank = LearnedDetector.blank(Pyramids(encoder, None, fingerprint="tiny"), ("red", "blue"))
    schedule = Schedule(steps=40, rate=4e-3, batch=3 * 144**2)
    return blank, blank.fit([pyramid_of(image) for image, _ in scenes], [boxes for _, boxes in scenes], schedule=schedule)


def test_twelve_easy_scenes_train_a_detector_of_discs(
    detectors: tuple[LearnedDetector, LearnedDetector], pyramids: Pyramids, discs: Discs
) -> None:
    blank, detector = detectors
    training_scenes, unseen_scenes = ([discs(seed) for seed in seeds] for seeds in (range(4), range(100, 106)))
    detections = [detector.predict(pyramids.of_pixels(image)) for image, _ in training_scenes]
    least = least_score(detections, [boxes for _, boxes in training_scenes], classes=detector.classes)
    assert mean_f1(blank, pyramids, unseen_scenes, 0.05) < 0.2
    assert mean_f1(detector, pyramids, unseen_scenes, least) > 0.6


def test_a_saved_head_is_loaded_unchanged(
    detectors: tuple[LearnedDetector, LearnedDetector], pyramids: Pyramids, discs: Discs, tmp_path: Path
) -> None:
    detector = replace(detectors[1], least_score=0.35, preferred=True, evidence={"f1": 0.7})
    detector.save(tmp_path)
    copy = LearnedDetector.load(tmp_path)
    pyramid = pyramids.of_pixels(discs(7)[0])
    assert torch.equal(copy.predict(pyramid).boxes, detector.predict(pyramid).boxes)
    assert torch.equal(copy.predict(pyramid).scores, detector.predict(pyramid).scores)
    assert (copy.classes, copy.encoder, copy.least_score, copy.preferred, copy.evidence) == (
        ("red", "blue"), "tiny", 0.35, True, {"f1": 0.7},
    )  # fmt: skip


def test_training_does_not_change_the_original_detector(pyramids: Pyramids, discs: Discs) -> None:
    blank = LearnedDetector.blank(pyramids, ("red",))
    before = {name: value.clone() for name, value in blank.network.state_dict().items()}
    image, boxes = discs(0)
    fine_tuned = blank.fit([pyramids.of_pixels(image)], [boxes], schedule=SHORT)
    assert all(torch.equal(value, before[name]) for name, value in blank.network.state_dict().items())
    assert not all(torch.equal(value, before[name]) for name, value in fine_tuned.network.state_dict().items())


def test_equal_seeds_give_equal_detectors(pyramids: Pyramids, discs: Discs) -> None:
    image, boxes = discs(0)
    pyramid = pyramids.of_pixels(image)
    first, second = (
        LearnedDetector.blank(pyramids, ("red",)).fit([pyramid], [boxes], schedule=SHORT, seed=3).predict(pyramid)
        for _ in range(2)
    )
    assert torch.equal(first.scores, second.scores)


def test_with_other_class_names_the_same_objects_are_detected(pyramids: Pyramids, discs: Discs) -> None:
    detector = LearnedDetector.blank(pyramids, ("galaxy",))
    pyramid = pyramids.of_pixels(discs(0)[0])
    renamed_detector = detector.for_classes(("Spiral", "Elliptical"))
    assert renamed_detector.classes == ("Spiral", "Elliptical")
    assert torch.allclose(renamed_detector.predict(pyramid).boxes[:5], detector.predict(pyramid).boxes[:5])


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (300, 2), (33, 70)])
def test_a_tiny_image_can_be_predicted(pyramids: Pyramids, size: tuple[int, int]) -> None:
    detections = LearnedDetector.blank(pyramids, ("galaxy",)).predict(pyramids.of_pixels(np.zeros((*size, 3), np.float32)))
    assert (detections.boxes[:, 2] <= size[1]).all()
    assert (detections.boxes[:, 3] <= size[0]).all()


def test_non_finite_pixels_count_as_dark(pyramids: Pyramids, discs: Discs) -> None:
    image, boxes = discs(0)
    image[40:60, 40:60] = np.nan
    detector = LearnedDetector.blank(pyramids, ("red",)).fit([pyramids.of_pixels(image)], [boxes], schedule=SHORT)
    assert torch.isfinite(detector.predict(pyramids.of_pixels(image)).scores).all()


def test_boxes_outside_the_image_or_without_a_size_are_left_out(pyramids: Pyramids, discs: Discs) -> None:
    pyramid = pyramids.of_pixels(discs(0)[0])
    blank = LearnedDetector.blank(pyramids, ("red",))
    useless = [Box(500, 500, 20, 20), Box(10, 10, 0, 5), Box(float("nan"), 10, 5, 5), Box(-90, 10, 50, 5)]
    with pytest.raises(NotEnoughLabels, match="no box lies in any of the 1 annotated images"):
        blank.fit([pyramid], [[(box, "red") for box in useless]], schedule=SHORT)
    blank.fit([pyramid], [[*((box, "red") for box in useless), (Box(10, 10, 20, 20), "red")]], schedule=SHORT)


def test_another_encoder_is_an_error(encoder: Encoder, pyramids: Pyramids, discs: Discs) -> None:
    image, boxes = discs(0)
    stranger = Pyramids(encoder, None, fingerprint="other").of_pixels(image)
    detector = LearnedDetector.blank(pyramids, ("red",))
    with pytest.raises(HeadError, match="encoder tiny, not on other"):
        detector.predict(stranger)
    with pytest.raises(HeadError, match="encoder tiny, not on other"):
        detector.fit([stranger], [boxes], schedule=SHORT)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("config", {"channels": [48, 96], "strides": [8], "classes": 1}, "config"),
        ("config", {"channels": [48, 96, 192], "strides": [8, 16, 32], "classes": 10**9}, "config"),
        ("classes", ["a", "b", "c"], "names 3 classes"),
        ("least_score", None, "least_score"),
    ],
)
def test_a_damaged_detector_is_an_error(pyramids: Pyramids, tmp_path: Path, field: str, value: Any, says: str) -> None:
    LearnedDetector.blank(pyramids, ("red",)).save(tmp_path)
    record = json.loads((tmp_path / "head.json").read_text())
    (tmp_path / "head.json").write_text(json.dumps(record | {field: value}))
    with pytest.raises(HeadError, match=says):
        LearnedDetector.load(tmp_path)


def test_weights_of_another_shape_are_an_error(pyramids: Pyramids, tmp_path: Path) -> None:
    LearnedDetector.blank(pyramids, ("red",)).save(tmp_path)
    other = tmp_path / "other"
    LearnedDetector.blank(pyramids, ("red", "blue")).save(other)
    (tmp_path / "head.safetensors").write_bytes((other / "head.safetensors").read_bytes())
    with pytest.raises(HeadError, match="cls_logits"):
        LearnedDetector.load(tmp_path)


def test_a_detector_needs_a_class(pyramids: Pyramids) -> None:
    with pytest.raises(ValueError, match="at least one class"):
        LearnedDetector.blank(pyramids, ())
    with pytest.raises(ValueError, match="at least one class"):
        LearnedDetector.blank(pyramids, ("galaxy",)).for_classes(())

"""Model selection between the learned detector and source extraction, by validation on a project's own images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from backend.heads.detection import model_selection
from backend.heads.detection.detection import BY_EXTRACTION, BY_LEARNING, Detection
from backend.heads.detection.fcos.detector import LearnedDetector
from backend.heads.detection.fcos.network import RawDetections
from backend.heads.detection.grid_search import score_grid
from backend.heads.detection.model_selection import cross_validate_detectors, least_score
from backend.heads.extraction.extract import extract
from backend.lvm.encoder import Encoder
from backend.lvm.feature_maps import FeaturePyramid, Pyramids
from sync.geometry.shapes import Box

Discs = Callable[..., Any]
PyramidOf = Callable[..., FeaturePyramid]


def make_detections(*objects: tuple[float, float]) -> RawDetections:
    """Return boxes of 10 pixels with these left edges and scores."""
    boxes = torch.tensor([[start, 0.0, start + 10, 10] for start, _ in objects]).reshape(-1, 4)
    return RawDetections(boxes, torch.tensor([score for _, score in objects]), torch.zeros(len(objects), dtype=torch.int64))


def test_the_least_score_separates_kept_from_deleted_objects() -> None:
    drawn_boxes = [[(Box(0, 0, 10, 10), "g")], [(Box(20, 0, 10, 10), "g")]]
    least = least_score([make_detections((0, 0.7), (50, 0.4)), make_detections((20, 0.65))], drawn_boxes, classes=("g",))
    assert 0.4 < least <= 0.65


def test_the_least_score_of_a_wrong_label_counts_as_wrong() -> None:
    drawn_boxes = [[(Box(0, 0, 10, 10), "b")]]
    assert least_score([make_detections((0, 0.7))], drawn_boxes, classes=("b",)) < 0.7
    assert model_selection.detections_f1(make_detections((0, 0.7)), drawn_boxes[0], 0.5, ("a", "b")) == 0


def test_each_image_is_scored_by_a_head_that_was_not_trained_on_it(
    pyramids: Pyramids, discs: Discs, pyramid_of: PyramidOf
) -> None:
    scenes = [discs(seed, side=96, count=2) for seed in range(4)]
    selection = cross_validate_detectors(
        [image for image, _ in scenes],
        [drawn_boxes for _, drawn_boxes in scenes],
        [pyramid_of(image) for image, _ in scenes],
        grids=[score_grid(image, [box for box, _ in drawn_boxes]) for image, drawn_boxes in scenes],
        detector=LearnedDetector.blank(pyramids, ("red",)),
        seed=0,
    )
    assert selection is not None
    assert selection.learned_f1.shape == selection.extraction_f1.shape == (4,)
    assert selection.extraction_f1.mean() > 0.8  # bright discs on a dark sky are easy


def test_both_halves_need_a_box(pyramids: Pyramids, discs: Discs) -> None:
    image, drawn_boxes = discs(0, side=64, count=2)
    feature_pyramids = [pyramids.of_pixels(image)] * 3
    blank = LearnedDetector.blank(pyramids, ("red",))
    assert (
        cross_validate_detectors([image] * 3, [drawn_boxes, [], []], feature_pyramids, grids=[{}] * 3, detector=blank, seed=0)
        is None
    )


def test_source_extraction_stays_unless_the_other_is_clearly_better(
    pyramids: Pyramids, discs: Discs, pyramid_of: PyramidOf, tmp_path: Path
) -> None:
    scenes = [discs(seed, side=96, count=2) for seed in range(4)]
    head = Detection.fit(
        [image for image, _ in scenes],
        [drawn_boxes for _, drawn_boxes in scenes],
        classes=("red",),
        feature_pyramids=[pyramid_of(image) for image, _ in scenes],
        detector=LearnedDetector.blank(pyramids, ("galaxy",)),
    )
    assert head.found_by == BY_EXTRACTION
    assert set(head.evidence) == {BY_EXTRACTION, BY_LEARNING, "judged_on"}
    head.save(tmp_path)
    assert Detection.load(tmp_path).evidence == head.evidence


def test_without_annotations_the_shipped_validation_selects_the_detector(pyramids: Pyramids) -> None:
    blank = LearnedDetector.blank(pyramids, ("galaxy",))
    assert Detection.base(("Galaxy",), detector=blank).found_by == BY_EXTRACTION
    assert Detection.base(("Galaxy",), detector=replace(blank, preferred=True)).found_by == BY_LEARNING
    assert Detection.base(("Galaxy",)).found_by == BY_EXTRACTION


@pytest.fixture
def learned_head(pyramids: Pyramids) -> Detection:
    """Return a head whose learned detector accepts everything as an object."""
    blank = LearnedDetector.blank(pyramids, ("galaxy",))
    return Detection.base(("Galaxy", "Star"), detector=replace(blank, preferred=True, least_score=0.0))


def test_learned_objects_state_their_method_and_lie_in_the_image(
    learned_head: Detection, pyramids: Pyramids, discs: Discs
) -> None:
    image, _ = discs(0)
    objects = learned_head.find(extract(image).sources, size=(144, 144), pyramid=pyramids.of_pixels(image))
    assert {each.found_by for each in objects} == {BY_LEARNING}
    assert {each.label for each in objects} <= {"Galaxy", "Star"}
    for each in objects:
        assert 0 <= each.score <= 1
        assert each.source.box.x + each.source.box.width <= 144
        assert each.source.full_mask((144, 144)).any()


def test_a_saved_learned_head_is_loaded_unchanged(
    learned_head: Detection, pyramids: Pyramids, discs: Discs, tmp_path: Path
) -> None:
    learned_head.save(tmp_path)
    pyramid = pyramids.of_pixels(discs(0)[0])
    first, second = (head.find((), size=(144, 144), pyramid=pyramid) for head in (learned_head, Detection.load(tmp_path)))
    assert [(a.source.box, a.label, a.score) for a in first] == [(a.source.box, a.label, a.score) for a in second]


def test_on_another_encoder_source_extraction_is_used(learned_head: Detection, encoder: Encoder) -> None:
    assert learned_head.on_encoder("tiny") is learned_head
    assert learned_head.on_encoder("other").found_by == BY_EXTRACTION


def test_the_learned_detector_requires_feature_maps(learned_head: Detection) -> None:
    with pytest.raises(ValueError, match="needs the feature maps"):
        learned_head.find((), size=(10, 10))


def test_each_image_needs_a_feature_pyramid(pyramids: Pyramids) -> None:
    image = np.zeros((20, 20, 3), np.float32)
    with pytest.raises(ValueError, match="feature maps for 0"):
        Detection.fit([image], [[]], classes=("a",), detector=LearnedDetector.blank(pyramids, ("a",)))

"""Heads for objects are refitted on folds as in training: without the learned detector if they do not use it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from backend.heads.detection.detection import Detection
from backend.heads.detection.fcos.detector import FINE_TUNING, LearnedDetector
from backend.loop.examples.held_out import Sides
from backend.loop.gate.candidates import score_candidates
from backend.loop.gate.evidence import measure_numbers
from backend.loop.gate.head_scorer import ComparedHead
from backend.prediction.control_models.drawn_objects import LabelledObject
from backend.prediction.control_models.examples import Examples, ImageOfTask
from backend.services import Services
from sync.geometry.shapes import Box
from sync.labelling.config import parse

pytestmark = pytest.mark.slow

CONFIG = """<View><Image name="image" value="$image"/>
<RectangleLabels name="boxes" toName="image"><Label value="Galaxy"/></RectangleLabels></View>"""
CONTROL = parse(CONFIG).controls[0]
PROJECT, TASKS = 900, range(1, 7)
GALAXY, SKY = Box(80, 30, 40, 40), Box(10, 70, 20, 20)


@pytest.fixture(scope="module")
def examples(files: Any, png: Callable[..., bytes]) -> Examples:
    """Return examples with a galaxy and a box on empty sky, which source extraction misses, so that model selection runs."""
    examples = Examples({})
    for task in TASKS:
        content = png(spots=((100, 50, 10 + task % 3),), seed=task)
        image = ImageOfTask(task, "image")
        examples.references[image] = str(files.put(f"/data/upload/{PROJECT}/{task}.png", content))
        examples.labels[image] = [LabelledObject("Galaxy", box, None) for box in (GALAXY, SKY)]
    return examples


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list with the images of each training of the learned detector."""
    counts: list[int] = []
    fit = LearnedDetector.fit

    def count_and_fit(self: LearnedDetector, feature_pyramids: Any, boxes: Any, *, seed: int) -> LearnedDetector:
        counts.append(len(feature_pyramids))
        return fit(self, feature_pyramids, boxes, schedule=replace(FINE_TUNING, steps=1), seed=seed)

    monkeypatch.setattr(LearnedDetector, "fit", count_and_fit)
    return counts


def test_a_head_by_source_extraction_trains_no_detector_for_the_folds(
    predicting: Services, examples: Examples, fits: list[int]
) -> None:
    head = Detection.base(["Galaxy"])
    heads = [ComparedHead(head, examples), ComparedHead(), ComparedHead()]
    scores = score_candidates(predicting.predictors, CONTROL, heads, examples, Sides())
    assert scores is not None
    assert scores.is_resampled.all()
    assert not fits
    assert measure_numbers(CONTROL, scores, examples) == {}  # labels that are objects


def test_a_head_by_the_learned_detector_trains_one_for_the_folds(
    predicting: Services, examples: Examples, fits: list[int]
) -> None:
    predictors = predicting.predictors
    assert predictors.base_detector is not None
    head = replace(Detection.base(["Galaxy"]), learned_detector=predictors.base_detector.for_classes(["Galaxy"]))
    scores = score_candidates(predictors, CONTROL, [ComparedHead(head, examples), ComparedHead()], examples, Sides())
    assert scores is not None
    assert fits
    assert max(fits) < len(TASKS)

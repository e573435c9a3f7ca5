"""Tasks whose image cannot be read: numbers and classes are learned and predicted from their columns, boxes are not."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from backend.loop.examples.held_out import Sides
from backend.loop.examples.snapshot import take_snapshot
from backend.loop.gate.gate import run_gate
from backend.loop.training.train import train
from backend.prediction.predictor import EMPTY_SCORE, PredictionTask
from backend.prediction.project_heads import ProjectHeads
from backend.services import Services
from sync.controls import choices, number
from sync.label_studio.annotations import Annotation
from sync.labelling.config import parse

pytestmark = pytest.mark.slow

CONFIG = """<View><Image name="image" value="$image"/>
<Number name="redshift" toName="image" min="0" max="3"/>
<Choices name="activity" toName="image"><Choice value="Quiescent"/><Choice value="Active"/></Choices>
<RectangleLabels name="box" toName="image"><Label value="Galaxy"/></RectangleLabels></View>"""
CONTROLS = {control.name: control for control in parse(CONFIG).controls}
PROJECT = 642
HELD_OUT = frozenset(range(31, 41))
GONE = f"/data/upload/{PROJECT}/gone.png"


def columns_of(colour: float, magnitude: float = 20.0) -> dict[str, float]:
    return {"mag_g": magnitude + colour, "mag_r": magnitude}


@pytest.fixture
def project_annotations(files: Any, png: Callable[..., bytes]) -> list[Annotation]:
    """Return annotations whose values follow from a colour; every third image is missing, or its reference is empty."""
    rng = np.random.default_rng(0)
    result = []
    for task in range(1, 41):
        colour = float(rng.uniform(0, 1) + (task % 2))
        reference = files.put(f"/data/upload/{PROJECT}/{task}.png", png(spots=((100, 50, 9),), seed=task))
        if task % 3 == 0:
            reference = GONE if task % 2 else ""
        data = {"image": reference, **columns_of(colour, float(rng.normal(20, 0.5)))}
        regions = [
            number.encode(0.2 + 0.4 * colour, control=CONTROLS["redshift"]),
            choices.encode([("Quiescent", "Active")[int(colour > 1)]], control=CONTROLS["activity"]),
        ]
        result.append(Annotation(task, task, data, regions, "2026-01-01T00:00:00Z", 1, False, None, None))
    return result


def test_they_are_learned_compared_and_predicted(
    predicting: Services, project_annotations: list[Annotation], caplog: pytest.LogCaptureFixture
) -> None:
    registry = predicting.registry
    project = registry.register_project(PROJECT, label_config=CONFIG, extra_params=None)
    snapshot = take_snapshot(project_annotations, Sides(HELD_OUT))
    version = train(predicting, project, snapshot, allow_none=False)
    heads = ProjectHeads.load(registry.path(PROJECT, version), parse(CONFIG)).by_control

    verdict = run_gate(predicting, project, registry.version(PROJECT, version), snapshot, project_tasks=())
    evidence = verdict.evidence["controls"]
    for name in ("redshift", "activity"):
        assert evidence[name]["judged_on"] == 40, "tasks without a readable image count, too"
        assert evidence[name]["inputs"]["used_without_image"] == ["columns"]
        assert verdict.heads[name] == version
    assert evidence["redshift"]["numbers"]["candidate"]["sigma_nmad"] < 0.02

    predictor = predicting.predictors.build(parse(CONFIG), ProjectHeads(heads), version="v0001")
    with caplog.at_level(logging.WARNING):
        predictions = predictor.predict(
            [
                PredictionTask(1, {"image": GONE, **columns_of(1.5)}),
                PredictionTask(2, {"image": "", **columns_of(0.5)}),
                PredictionTask(3, {**columns_of(1.5)}),
                PredictionTask(4, {"image": GONE, "mag_g": "faint", "mag_r": 99}),
                PredictionTask(5, {"image": project_annotations[0].data["image"], **columns_of(1.5)}),
            ]
        )
    for prediction, redshift, activity in zip(predictions[:3], (0.8, 0.4, 0.8), ("Active", "Quiescent", "Active"), strict=True):
        regions = {region["from_name"]: region for region in prediction.result}
        assert set(regions) == {"redshift", "activity"}, "boxes need the image"
        assert regions["redshift"]["value"]["number"] == pytest.approx(redshift, abs=0.06)
        assert regions["activity"]["value"]["choices"] == [activity]
        for region in regions.values():
            assert region["meta"]["used"] == ["columns"]
            assert "predicted from catalogue columns; not used: image: " in region["meta"]["text"][0]
        assert prediction.problem
        assert prediction.score == EMPTY_SCORE, "an annotator cannot see the image"
    assert predictions[3].result == []
    assert {region["from_name"] for region in predictions[4].result} == {"redshift", "activity", "box"}
    assert predictions[4].problem == ""
    lines = [line for line in caplog.messages if "event=image_not_read" in line]
    assert sorted(line.split("task=")[1].split()[0] for line in lines) == ["1", "2", "3", "4"]

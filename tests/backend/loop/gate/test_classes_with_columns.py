"""Classes are trained, compared, ranked and predicted with the catalogue columns of their tasks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from backend.heads.classification.combined import CombinedClasses
from backend.loop.examples.held_out import Sides
from backend.loop.examples.snapshot import take_snapshot
from backend.loop.gate.gate import run_gate
from backend.loop.queue.pool import build_pool
from backend.loop.training.train import train
from backend.prediction.control_models import ClassModel
from backend.prediction.predictor import PredictionTask
from backend.prediction.project_heads import ProjectHeads
from backend.prediction.task_embeddings import read_task_embeddings
from backend.services import Services
from sync.controls import choices
from sync.label_studio.annotations import Annotation
from sync.label_studio.tasks import Task
from sync.labelling.config import parse

pytestmark = pytest.mark.slow

CONFIG = """<View><Image name="image" value="$image"/><Choices name="activity" toName="image">
<Choice value="Quiescent"/><Choice value="Star-forming"/></Choices></View>"""
CONTROL = parse(CONFIG).controls[0]
LABELS = ("Quiescent", "Star-forming")
PROJECT = 641
HELD_OUT = frozenset(range(31, 41))


def columns_of(kind: int, rng: np.random.Generator) -> dict[str, float]:
    magnitude = float(rng.normal(18, 1))
    return {"mag_g": magnitude + (0.4 if kind else 0.9) + float(rng.normal(0, 0.1)), "mag_r": magnitude}


@pytest.fixture
def equal_images(files: Any, png: Callable[..., bytes]) -> list[Annotation]:
    """Return annotations of equal images whose class follows from a colour; one column is a code of the class."""
    rng = np.random.default_rng(0)
    images = []
    for task in range(1, 41):
        kind = task % 2
        reference = files.put(f"/data/upload/{PROJECT}/{task}.png", png(spots=((100, 50, 9),), seed=task))
        data = {"image": reference, **columns_of(kind, rng), "mag_i": 99, "type": "E" if kind else "S", "code": kind}
        region = choices.encode([LABELS[kind]], control=CONTROL)
        images.append(Annotation(task, task, data, [region], "2026-01-01T00:00:00Z", 1, False, None, None))
    return images


def test_columns_are_learned_compared_ranked_and_used(
    predicting: Services, equal_images: list[Annotation], caplog: pytest.LogCaptureFixture
) -> None:
    registry = predicting.registry
    project = registry.register_project(PROJECT, label_config=CONFIG, extra_params=None)
    snapshot = take_snapshot(equal_images, Sides(HELD_OUT))
    version = train(predicting, project, snapshot, allow_none=False)
    assert "event=column_left_out control=activity reason=\"column 'code' is not used: its values are codes" in caplog.text
    head = ProjectHeads.load(registry.path(PROJECT, version), parse(CONFIG)).by_control["activity"]
    assert isinstance(head, CombinedClasses)
    assert head.features_of(head.blocks) == {"columns": ("mag_g", "mag_r")}

    tasks = [Task(each.task_id, each.data, each.task_id < 36, 1, "") for each in equal_images]
    verdict = run_gate(predicting, project, registry.version(PROJECT, version), snapshot, project_tasks=tasks)
    assert verdict.goes_live
    inputs = verdict.evidence["controls"]["activity"]["inputs"]
    assert inputs["used"] == ["columns"]
    assert any("code" in sentence for sentence in inputs["left_out"])
    assert verdict.reason.endswith(", uses columns")
    (trial,) = inputs["compared"]
    assert trial["loss"] < trial["image_loss"] - 2 * trial["gain_error"]

    registry.promote(PROJECT, version, evidence=verdict.evidence, heads=verdict.heads)
    predictor = predicting.predictors.of(registry.project(PROJECT), label_config=CONFIG)
    assert predictor.data_keys == {"image", "mag_g", "mag_r"}
    image = equal_images[0].data["image"]
    quiescent, forming, without = predictor.predict(
        [
            PredictionTask(1, {"image": image, "mag_g": 18.9, "mag_r": 18.0}),
            PredictionTask(2, {"image": image, "mag_g": 18.4, "mag_r": 18.0}),
            PredictionTask(3, {"image": image, "mag_g": "faint", "mag_r": -99}),
        ]
    )
    assert quiescent.result[0]["value"]["choices"] == ["Quiescent"]
    assert forming.result[0]["value"]["choices"] == ["Star-forming"]
    assert forming.result[0]["meta"]["used"][-1] == "columns"
    assert "catalogue columns" in forming.result[0]["meta"]["text"][0]
    assert without.result[0]["meta"]["used"] == ["image"]
    (text,) = without.result[0]["meta"]["text"]
    assert text == "predicted from image; not used: catalogue columns (mag_g: text, mag_r: -99 marks a missing value)"
    assert without.score < min(quiescent.score, forming.score)

    (model,) = predictor.models
    assert isinstance(model, ClassModel)
    predictors = predicting.predictors.on(*predictor.extractor.columns.parts)
    data = {1: {"image": image, "mag_g": 18.9, "mag_r": 18.0}, 2: {"image": image, "mag_g": 18.4, "mag_r": 18.0}}
    candidates = read_task_embeddings(predictors, data, parse(CONFIG), CONTROL)
    pool = build_pool(model, candidates, candidates, scores={}, blocks=predictors.blocks)
    assert pool.probabilities.argmax(axis=1).tolist() == [0, 1]
    assert pool.predict is not None
    assert pool.predict(pool.embeddings[np.array([1])], np.array([1])).argmax() == 1

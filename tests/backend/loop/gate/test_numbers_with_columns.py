"""A Number is trained, compared and predicted with the catalogue columns of its tasks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from backend.heads.regression import Regression
from backend.loop.examples.held_out import Sides
from backend.loop.examples.snapshot import take_snapshot
from backend.loop.gate.gate import run_gate
from backend.loop.training.train import train
from backend.prediction.predictor import PredictionTask
from backend.prediction.project_heads import ProjectHeads
from backend.services import Services
from sync.controls import number
from sync.label_studio.annotations import Annotation
from sync.labelling.config import parse

pytestmark = pytest.mark.slow

CONFIG = """<View><Image name="image" value="$image"/><Number name="redshift" toName="image" min="0" max="3"/></View>"""
CONTROL = parse(CONFIG).controls[0]
PROJECT = 640
TASKS = range(1, 41)
HELD_OUT = frozenset(range(31, 41))


@pytest.fixture
def equal_images(files: Any, png: Callable[..., bytes]) -> list[Annotation]:
    """Return annotations of equal images whose redshift is a function of the columns; one column is a copy of it."""
    rng = np.random.default_rng(0)
    images = []
    for task in TASKS:
        colour, magnitude = float(rng.uniform(0, 2)), float(rng.normal(20, 0.5))
        redshift = 0.2 + 0.4 * colour
        reference = files.put(f"/data/upload/{PROJECT}/{task}.png", png(spots=((100, 50, 9),), seed=task))
        data = {"image": reference, "mag_g": magnitude + colour, "mag_r": magnitude, "mag_i": 99, "zspec": redshift}
        region = number.encode(redshift, control=CONTROL)
        images.append(Annotation(task, task, data, [region], "2026-01-01T00:00:00Z", 1, False, None, None))
    return images


def test_columns_are_learned_compared_and_used(
    predicting: Services, equal_images: list[Annotation], caplog: pytest.LogCaptureFixture
) -> None:
    registry = predicting.registry
    project = registry.register_project(PROJECT, label_config=CONFIG, extra_params=None)
    snapshot = take_snapshot(equal_images, Sides(HELD_OUT))
    version = train(predicting, project, snapshot, allow_none=False)
    assert "event=column_left_out control=redshift reason=\"column 'zspec' is not used: it equals the labels" in caplog.text
    head = ProjectHeads.load(registry.path(PROJECT, version), parse(CONFIG)).by_control["redshift"]
    assert isinstance(head, Regression)
    assert head.blocks == {"columns"}

    verdict = run_gate(predicting, project, registry.version(PROJECT, version), snapshot, project_tasks=())
    assert verdict.goes_live
    scores = verdict.evidence["controls"]["redshift"]
    assert scores["by"] == "cross-validation and 10 held-out tasks"
    assert scores["numbers"]["candidate"]["sigma_nmad"] < 0.01
    assert scores["numbers"]["candidate"]["outliers"] == 0
    assert 0 <= scores["numbers"]["candidate"]["coverage_68"] <= 1
    assert scores["inputs"]["used"] == ["columns"]
    assert verdict.reason.endswith(", uses columns")
    for words in ("σ_NMAD ", "bias ", "outliers 0.0%", "in the 68 % interval "):
        assert words in verdict.reason
    assert any("zspec" in sentence for sentence in scores["inputs"]["left_out"])

    registry.promote(PROJECT, version, evidence=verdict.evidence, heads=verdict.heads)
    predictor = predicting.predictors.of(registry.project(PROJECT), label_config=CONFIG)
    assert predictor.data_keys == {"image", "mag_g", "mag_r"}
    data = dict(equal_images[0].data)
    with_columns, without = predictor.predict(
        [PredictionTask(1, {**data, "mag_g": 21.0, "mag_r": 20.0}), PredictionTask(2, {"image": data["image"]})]
    )
    (region,), (other,) = with_columns.result, without.result
    assert region["value"]["number"] == pytest.approx(0.6, abs=0.02)
    assert region["meta"]["used"][-1] == "columns"
    assert region["meta"]["text"][0].startswith("± ")
    assert "columns" not in other["meta"]["used"]
    assert other["meta"]["error"] > region["meta"]["error"]

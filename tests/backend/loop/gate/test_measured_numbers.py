"""A Number that names a measured quantity: filled before any training, calibrated by annotators, compared by the gate."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from backend.heads.calibration import Calibration
from backend.loop.examples.held_out import Sides
from backend.loop.examples.snapshot import take_snapshot
from backend.loop.gate.gate import run_gate
from backend.loop.training.train import train
from backend.prediction.predictor import PredictionTask
from backend.prediction.project_heads import ProjectHeads
from backend.services import Services
from sync.controls import number
from sync.images.display import display
from sync.label_studio.annotations import Annotation
from sync.labelling.config import parse

pytestmark = pytest.mark.slow

CONFIG = '<View><Image name="image" value="$image"/><Number name="half_light_radius" toName="image" min="0" max="99"/></View>'
CONTROL = parse(CONFIG).controls[0]
PROJECT = 641
TASKS = range(1, 19)
HELD_OUT = frozenset(range(13, 19))
FACTOR = 1.3
"""Annotators' radii by measured ones."""
SIDE = 49


def disc(radius: float, seed: int) -> bytes:
    """Return a FITS file with a round exponential disc through a Gaussian PSF."""
    y, x = np.mgrid[-(SIDE // 2) : SIDE // 2 + 1, -(SIDE // 2) : SIDE // 2 + 1]
    light = np.exp(-1.678 * np.hypot(x, y) / radius)
    noise = np.random.default_rng(seed).standard_normal(light.shape)
    content = io.BytesIO()
    header = fits.Header({"MAGZERO": 25.0, "FWHM": 1.0})
    fits.PrimaryHDU((20_000 * light / light.sum() + noise).astype(np.float32), header).writeto(content)
    return content.getvalue()


def test_a_measured_radius_is_calibrated_and_the_gate_decides(predicting: Services, files: Any) -> None:
    registry, folder = predicting.registry, predicting.settings.data_dir / "science" / str(PROJECT)
    folder.mkdir(parents=True)
    radii = np.random.default_rng(1).uniform(3, 7, len(TASKS))
    data = {}
    for task, radius in zip(TASKS, radii, strict=True):
        content = disc(radius, task)
        (folder / f"{task}.fits").write_bytes(content)
        reference = files.put(f"/data/upload/{PROJECT}/{task}.png", display(content, stretch="lupton").image)
        data[task] = {"image": reference, "science": f"science/{PROJECT}/{task}.fits"}
    project = registry.register_project(PROJECT, label_config=CONFIG, extra_params=None)
    predictions = predicting.predictors.of(project, label_config=CONFIG).predict(
        [PredictionTask(task, data[task]) for task in TASKS]
    )
    numbers = [prediction.result[0]["value"]["number"] for prediction in predictions]
    assert numbers == pytest.approx(radii, rel=0.15)

    results = [[number.encode(FACTOR * value, control=CONTROL)] for value in numbers]
    annotations = [
        Annotation(task, task, data[task], result, "2026-01-01T00:00:00Z", 1, False, None, None)
        for task, result in zip(TASKS, results, strict=True)
    ]
    snapshot = take_snapshot(annotations, Sides(HELD_OUT))
    version = train(predicting, project, snapshot, allow_none=False)
    head = ProjectHeads.load(registry.path(PROJECT, version), parse(CONFIG)).by_control["half_light_radius"]
    assert isinstance(head, Calibration)
    verdict = run_gate(predicting, project, registry.version(PROJECT, version), snapshot, project_tasks=())
    assert verdict.goes_live

    registry.promote(PROJECT, version, evidence=verdict.evidence, heads=verdict.heads)
    predictor = predicting.predictors.of(registry.project(PROJECT), label_config=CONFIG)
    assert {"image", "science", "psf"} <= predictor.data_keys
    (prediction,) = predictor.predict([PredictionTask(1, data[1])])
    (region,) = prediction.result
    assert region["value"]["number"] == pytest.approx(FACTOR * numbers[0], rel=0.08)
    assert "calibrated with 12 labels" in region["meta"]["text"][0]

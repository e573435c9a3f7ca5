"""Masks in the loop: annotators' outlines train the mask decoder, and the gate simulates clicks on held-out masks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from backend.heads.segmentation.prompted_masks import PromptedMasks
from backend.loop.examples.held_out import Sides
from backend.loop.examples.snapshot import take_snapshot
from backend.loop.gate.gate import run_gate
from backend.loop.scores.clicks import MOST_OF_IMAGE, click_scores, has_enough_masks
from backend.loop.training.train import train
from backend.prediction.control_models.drawn_objects import LabelledObject, Outline
from backend.prediction.control_models.examples import Examples, ImageOfTask
from backend.prediction.project_heads import PROMPTS, ProjectHeads
from backend.services import Services
from sync.controls import brushlabels
from sync.geometry.shapes import Box
from sync.label_studio.annotations import Annotation
from sync.labelling.config import parse

pytestmark = pytest.mark.slow

CONFIG = """<View><Image name="image" value="$image"/>
<BrushLabels name="masks" toName="image"><Label value="Galaxy"/></BrushLabels>
<KeyPointLabels name="click" toName="image" smart="true"><Label value="Galaxy"/></KeyPointLabels></View>"""
CONTROL = parse(CONFIG).controls[0]
PLACE, RADIUS = (100, 50), 30
PROJECT = 800


def outline() -> Any:
    """Return an outline far wider than the shipped head's."""
    rows, columns = np.indices((100, 200)) + 0.5
    inside = np.hypot(columns - PLACE[0], rows - PLACE[1]) < RADIUS
    return brushlabels.encode(inside, control=CONTROL, label="Galaxy", score=1.0, size=(200, 100))


def put_image(files: Any, png: Callable[..., bytes], project: int, task: int) -> str:
    content = png(spots=((*PLACE, 8 + task % 3),), seed=task)
    return str(files.put(f"/data/upload/{project}/{task}.png", content))


@pytest.fixture(scope="module")
def project_annotations(files: Any, png: Callable[..., bytes]) -> list[Annotation]:
    """Return annotations of one galaxy each; six of them are held out."""
    tasks = range(1, 15)
    return [
        Annotation(
            task,
            task,
            {"image": put_image(files, png, PROJECT, task)},
            [outline()],
            "2026-01-01T00:00:00Z",
            1,
            False,
            None,
            None,
        )
        for task in tasks
    ]


def test_outlines_train_the_segmenter_and_the_gate_clicks_on_held_out_ones(
    predicting: Services, project_annotations: list[Annotation]
) -> None:
    registry = predicting.registry
    project = registry.register_project(PROJECT, label_config=CONFIG, extra_params=None)
    snapshot = take_snapshot(project_annotations, Sides(frozenset(range(1, 7))))
    number = train(predicting, project, snapshot, allow_none=False)
    head = ProjectHeads.load(registry.path(PROJECT, number), parse(CONFIG)).prompted_masks
    assert head is not None
    assert head.encoder == predicting.predictors.base_masks.encoder
    verdict = run_gate(predicting, project, registry.version(PROJECT, number), snapshot, project_tasks=())
    scores = verdict.evidence["controls"][PROMPTS]
    assert (scores["judged_on"], scores["by"]) == (6, "held-out tasks")
    assert scores["candidate"] > scores["live"]
    assert verdict.heads[PROMPTS] == number


def test_no_head_for_clicks_is_trained_if_the_gate_cannot_compare_it(
    predicting: Services, project_annotations: list[Annotation]
) -> None:
    registry = predicting.registry
    project = registry.register_project(PROJECT + 2, label_config=CONFIG, extra_params=None)
    snapshot = take_snapshot(project_annotations, Sides(frozenset(range(1, 5))))
    number = train(predicting, project, snapshot, allow_none=False)
    heads = ProjectHeads.load(registry.path(project.id, number), parse(CONFIG))
    assert heads.prompted_masks is None
    assert "masks" in heads.by_control


@pytest.mark.parametrize(
    ("held_out", "galaxies", "enough"),
    [
        pytest.param(range(1, 6), {}, True, id="five galaxies"),
        pytest.param(range(1, 5), {}, False, id="four galaxies"),
        pytest.param(range(1, 7), dict.fromkeys(range(1, 7), "M 31"), False, id="six images of one galaxy"),
        pytest.param((), {}, False, id="none held out"),
    ],
)
def test_held_out_galaxies_with_a_mask_are_counted(
    project_annotations: list[Annotation], held_out: Sequence[int], galaxies: dict[int, str], enough: bool
) -> None:
    snapshot = take_snapshot(project_annotations, Sides(frozenset(held_out), galaxies=galaxies))
    assert has_enough_masks(snapshot, CONTROL) is enough


def test_a_sample_of_masks_is_clicked_once_per_distinct_head(
    predicting: Services, files: Any, png: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts: list[Any] = []
    monkeypatch.setattr(PromptedMasks, "predict", lambda _self, _image, prompt: prompts.append(prompt))
    image = ImageOfTask(1, "image")
    galaxy = LabelledObject("Galaxy", Box(70, 20, 60, 60), Outline(outline(), CONTROL, (200, 100)))
    truth_of_images = {image: [galaxy] * (MOST_OF_IMAGE + 2)}
    truth = Examples({image: put_image(files, png, PROJECT + 3, 1)}, labels=truth_of_images)
    head = predicting.predictors.base_masks
    scored_images, scores = click_scores(predicting.predictors.extractor, [image], truth, [head, head, head])
    assert (scored_images, scores.tolist()) == ([image], [[0.0], [0.0], [0.0]])
    assert len(prompts) == MOST_OF_IMAGE

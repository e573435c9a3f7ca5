"""Prompts left in annotations are not exported; key points of other controls are."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from sync.controls import CONTROLS
from sync.geometry.shapes import Box, Point
from sync.labelling.config import LabelConfig, parse

CONFIG = """<View><Image name="image" value="$image"/>
<RectangleLabels name="boxes" toName="image" smart="false"><Label value="Galaxy"/></RectangleLabels>
<RectangleLabels name="drag" toName="image" smart="true" smartOnly="true"><Label value="Galaxy"/></RectangleLabels>
<RectangleLabels name="both" toName="image" smart="true"><Label value="Galaxy"/></RectangleLabels>
<KeyPointLabels name="click" toName="image" smart="true"><Label value="Galaxy"/></KeyPointLabels>
<KeyPointLabels name="only" toName="image" smart="true" smartOnly="true"><Label value="Galaxy"/></KeyPointLabels>
<KeyPointLabels name="nucleus" toName="image" smart="false"><Label value="Nucleus"/></KeyPointLabels></View>"""
SHAPES = {"boxes": Box(1, 2, 3, 4), "both": Box(5, 6, 7, 8), "nucleus": Point(12, 7)}
LEFT = {"drag": Box(10, 12, 3, 4), "click": Point(4, 4), "only": Point(20, 20)}
Say = Callable[..., dict[str, Any]]


@pytest.fixture
def config() -> LabelConfig:
    return parse(CONFIG)


def region_of(config: LabelConfig, name: str, shape: Any) -> dict[str, Any]:
    control = config.control(name)
    assert control is not None
    return CONTROLS[control.tag].encode(shape, control=control, label=control.labels[0].value, size=(40, 30))


@pytest.mark.parametrize("format", ["json", "coco"])
def test_prompts_are_left_out_and_answers_are_kept(
    config: LabelConfig, run_export: Callable[..., Any], task: Say, annotation: Say, format: str
) -> None:
    regions = [region_of(config, name, shape) for name, shape in (SHAPES | LEFT).items()]
    folder, summary = run_export([task(annotation(*regions))], format)
    assert (summary.tasks, summary.objects, summary.problems) == (1, len(SHAPES), len(LEFT))
    if format == "json":
        (exported_task,) = json.loads((folder / "train.json").read_text())
        assert [entry["from_name"] for entry in exported_task["annotations"][0]["result"]] == list(SHAPES)
    assert "its suggestion was not accepted" in (folder / "problems.csv").read_text()


def test_an_annotation_of_prompts_only_is_left_out(
    config: LabelConfig, run_export: Callable[..., Any], task: Say, annotation: Say
) -> None:
    task_with_prompts = task(annotation(*[region_of(config, name, shape) for name, shape in LEFT.items()]))
    _, summary = run_export([task_with_prompts, task(annotation(region_of(config, "boxes", SHAPES["boxes"])))], "coco")
    assert (summary.tasks, summary.objects) == (1, 1)

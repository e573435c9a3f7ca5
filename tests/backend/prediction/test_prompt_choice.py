"""Selection of the regions of an interactive request that are prompts, by config."""

from __future__ import annotations

from typing import Any

import pytest

from backend.prediction.prompt_choice import choose_prompts
from sync.controls import OBJECTS
from sync.labelling.config import LabelConfig, parse

SMART, ONLY, NEVER = 'smart="true"', 'smart="true" smartOnly="true"', 'smart="false"'


def config(**controls: tuple[str, str]) -> LabelConfig:
    tags = "".join(
        f'<{tag} name="{name}" toName="image" {attributes}><Label value="Galaxy"/></{tag}>'
        for name, (tag, attributes) in controls.items()
    )
    return parse(f'<View><Image name="image" value="$image"/><Image name="other" value="$other"/>{tags}</View>')


def region(name: str, control: str, tag: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "from_name": control, "to_name": "image", "type": tag.lower(), "origin": "manual"} | more


def choose(regions: list[Any], label_config: LabelConfig, *, stored_ids: set[str] | None = None) -> list[str]:
    return [prompt["id"] for prompt in choose_prompts(regions, label_config, stored_region_ids=stored_ids or set())[0]]


@pytest.mark.parametrize("tag", OBJECTS)
def test_prompts_of_a_control_that_is_only_a_tool_accumulate(tag: str) -> None:
    label_config = config(tool=(tag, ONLY), answers=(tag, NEVER))
    assert choose([region("a", "answers", tag), region("b", "tool", tag), region("c", "tool", tag)], label_config) == ["b", "c"]


@pytest.mark.parametrize("tag", OBJECTS)
def test_the_newest_region_of_a_smart_control_is_the_prompt(tag: str) -> None:
    label_config = config(both=(tag, SMART))
    pair = region("a", "both", tag, origin="prediction"), region("b", "both", tag, origin="prediction-changed")
    assert choose([*pair, region("c", "both", tag), region("d", "both", tag)], label_config) == ["d"]
    assert choose([*pair], label_config) == []


def test_points_of_a_smart_control_accumulate_and_answers_are_excluded() -> None:
    label_config = config(click=("KeyPointLabels", SMART), centres=("KeyPointLabels", NEVER))
    points = [region(name, control, "KeyPointLabels") for name, control in (("a", "click"), ("b", "centres"), ("c", "click"))]
    assert choose(points, label_config) == ["a", "c"]


@pytest.mark.parametrize("tag", ["KeyPointLabels", "RectangleLabels", "BrushLabels"])
def test_a_control_without_the_attribute_is_smart_if_no_other_is_marked(tag: str) -> None:
    assert choose([region("a", "plain", tag)], config(plain=(tag, ""))) == ["a"]
    assert choose([region("a", "plain", tag)], config(plain=(tag, ""), tool=(tag, SMART))) == []
    assert choose([region("a", "plain", tag)], config(plain=(tag, NEVER))) == []


def test_predicted_and_submitted_regions_are_not_prompts() -> None:
    label_config = config(drag=("RectangleLabels", ONLY))
    boxes = [region(name, "drag", "RectangleLabels") for name in ("old", "new")]
    assert choose(boxes, label_config, stored_ids={"old"}) == ["new"]


def test_prompts_on_other_images_than_the_newest_are_left_out() -> None:
    label_config = config(click=("KeyPointLabels", SMART))
    points = [region("a", "click", "KeyPointLabels"), region("b", "click", "KeyPointLabels", to_name="other")]
    assert choose_prompts(points, label_config) == ([points[1]], ("other", 0))


def test_regions_of_unknown_controls_or_types_are_not_prompts() -> None:
    label_config = config(drag=("RectangleLabels", ONLY))
    odd: list[Any] = [None, 7, {}, region("a", "gone", "RectangleLabels"), region("b", "drag", "BrushLabels")]
    assert choose([*odd, region("c", "drag", "RectangleLabels")], label_config) == ["c"]

"""The options of a queue in the extra params."""

from __future__ import annotations

from typing import Any

import pytest

from backend.active.ranking import DEFAULT_OF_OBJECTS, DEFAULT_STRATEGY
from backend.loop.queue.options import QueueOptions, read_queue_options
from backend.loop.queue.ranking import read_ranking
from backend.registry.records import Project

BOXES = '<RectangleLabels name="box" toName="image"><Label value="Galaxy"/></RectangleLabels>'
CHOICES = '<Choices name="kind" toName="image"><Choice value="Ring"/><Choice value="Shell"/></Choices>'
RATING = '<Rating name="interest" toName="image" maxRating="5"/>'


@pytest.mark.parametrize(
    ("params", "options"),
    [
        ({}, QueueOptions(DEFAULT_STRATEGY)),
        ({"strategy": "badge", "batch": 20}, QueueOptions("badge")),
        ({"rare_first": True}, QueueOptions("herding", rare_first=True)),
    ],
)
def test_options_are_read(params: dict[str, Any], options: QueueOptions) -> None:
    assert read_queue_options(params) == options


def test_a_selected_strategy_replaces_the_default_of_the_project() -> None:
    assert read_queue_options({}, default="interest") == QueueOptions("interest")
    assert read_queue_options({"strategy": "random"}, default="interest") == QueueOptions("random")
    assert read_queue_options({"rare_first": True}, default="interest") == QueueOptions("herding", rare_first=True)


@pytest.mark.parametrize(
    ("config", "params", "name"),
    [
        (f'<View><Image name="image" value="$image"/>{RATING}</View>', {}, "interest"),
        (f'<View><Image name="image" value="$image"/>{RATING}</View>', {"strategy": "typiclust"}, "typiclust"),
        (f'<View><Image name="image" value="$image"/>{RATING}</View>', {"strategy": "best"}, "interest"),
        ('<View><Image name="image" value="$image"/></View>', {}, DEFAULT_STRATEGY),
        (f'<View><Image name="image" value="$image"/>{BOXES}</View>', {}, DEFAULT_OF_OBJECTS),
        (f'<View><Image name="image" value="$image"/>{BOXES}</View>', {"rare_first": True}, "herding, rare classes first"),
        (f'<View><Image name="image" value="$image"/>{BOXES}{CHOICES}</View>', {}, DEFAULT_STRATEGY),
        (f'<View><Image name="image" value="$image"/>{BOXES}{RATING}</View>', {}, "interest"),
        ("not a config", {}, DEFAULT_STRATEGY),
    ],
)
def test_the_default_strategy_depends_on_the_controls(config: str, params: dict[str, Any], name: str) -> None:
    project = Project(7, config, params, 1, "v0001", None, 0, training_requested_at=None, status="", status_at=0.0)
    assert read_ranking(project, None, batch=10).name == name


@pytest.mark.parametrize("strategy", ["best", "", None, 3, ["badge"]])
def test_an_unknown_strategy_is_refused_with_the_list(strategy: object) -> None:
    with pytest.raises(ValueError, match=r"the extra param strategy is one of random, margin, .*herding.*, not "):
        read_queue_options({"strategy": strategy})


def test_rare_first_is_true_or_false() -> None:
    with pytest.raises(ValueError, match="the extra param rare_first is true or false, not 1"):
        read_queue_options({"rare_first": 1})


def test_rare_first_needs_a_strategy_that_uses_the_uncertainty() -> None:
    with pytest.raises(ValueError, match="the extra param rare_first needs the strategy herding or bald, not badge"):
        read_queue_options({"strategy": "badge", "rare_first": True})

"""Verdicts on restored pictures: the control that asks for them, and the pictures whose share is known."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import pytest

from backend.heads.restoration.share import JudgedPicture
from backend.heads.restoration.shipped import network_fingerprint
from backend.loop.examples.judged_pictures import find_verdict_control, read_project_verdicts
from sync.label_studio.annotations import Annotation
from sync.labelling.config import parse

CONFIG = parse(files("labeling_configs").joinpath("restoration.xml").read_text())
DRAWN = {"restored_share": 0.5, "restored_weights": network_fingerprint()}


def annotation(task: int, answer: str | None, data: dict[str, Any]) -> Annotation:
    region = {"from_name": "verdict", "to_name": "image", "type": "choices", "value": {"choices": [answer]}}
    return Annotation(task, task, data, [region] if answer else [], "2026-01-01T00:00:00Z", 1, False, None, None)


def test_the_shipped_config_asks_for_a_verdict() -> None:
    control = find_verdict_control(CONFIG)
    assert control is not None
    assert control.name == "verdict"


@pytest.mark.parametrize(
    ("image", "choice"),
    [("$restored", "Sharp"), ("$other", "Better")],
)
def test_another_config_asks_for_no_verdict(image: str, choice: str) -> None:
    xml = f"""<View><Image name="a" value="$image"/><Image name="b" value="{image}"/>
    <Choices name="verdict" toName="a" choice="single"><Choice value="{choice}"/><Choice value="Wrong"/></Choices></View>"""
    assert find_verdict_control(parse(xml)) is None


def test_verdicts_have_the_share_of_their_picture() -> None:
    answers = {1: "Better", 2: "No better", 3: "Wrong", 4: None}
    pictures = read_project_verdicts([annotation(task, answer, DRAWN) for task, answer in answers.items()], CONFIG)
    assert pictures == [JudgedPicture(1, 0.5, True), JudgedPicture(2, 0.5, False), JudgedPicture(3, 0.5, False)]


@pytest.mark.parametrize(
    "data",
    [{}, DRAWN | {"restored_weights": "of another release"}, DRAWN | {"restored_share": 0.7}, DRAWN | {"restored_share": "x"}],
)
def test_a_picture_of_another_network_or_of_an_unknown_share_does_not_count(data: dict[str, Any]) -> None:
    assert read_project_verdicts([annotation(1, "Better", data)], CONFIG) == []


def test_an_unreadable_answer_does_not_count() -> None:
    assert read_project_verdicts([annotation(1, "Superb", DRAWN)], CONFIG) == []

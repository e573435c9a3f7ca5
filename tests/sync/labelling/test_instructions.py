"""Annotators' instructions describe everything on the page and nothing else, in tags that Label Studio keeps."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from sync.labelling.config import LabelConfigError, parse
from sync.labelling.instructions import LISTED_LABELS, annotator_instructions

SHIPPED = {path.name: path.read_text() for path in files("labeling_configs").iterdir() if path.name.endswith(".xml")}
TAGS = {"p", "b", "br", "h4", "kbd", "table", "tbody", "tr", "td"}
"""Used tags, a subset of those that Label Studio 1.23.2 keeps (`label_studio/constants.py`)."""
ATTRIBUTES = {"bgcolor", "width", "cellpadding"}


def view(controls: str) -> str:
    return f'<View><Image name="image" value="$image"/>{controls}</View>'


def text(html: str) -> str:
    return re.sub(r"<[^>]*>", "", html)


@pytest.mark.parametrize("name", SHIPPED)
def test_label_studio_keeps_every_tag_and_attribute(name: str) -> None:
    html = annotator_instructions(SHIPPED[name])
    assert set(re.findall(r"<(\w+)", html)) <= TAGS
    assert set(re.findall(r' (\w+)="', html)) <= ATTRIBUTES


@pytest.mark.parametrize("name", [name for name in SHIPPED if name != "decision_tree.xml"])
def test_every_label_is_named_with_its_key_and_colour(name: str) -> None:
    html = annotator_instructions(SHIPPED[name]).replace("&#x27;", "'")
    for key, label in re.findall(r'value="([^"$]+)"[^>]* hotkey="(\w)"', SHIPPED[name]):
        assert f"<kbd>{label}</kbd></td><td><b>{key}</b>" in html
    for colour in re.findall(r'background="(#\w+)"', SHIPPED[name]):
        assert f'bgcolor="{colour}"' in html


@pytest.mark.parametrize("name", SHIPPED)
def test_smart_tools_are_explained_if_the_config_has_them(name: str) -> None:
    html = annotator_instructions(SHIPPED[name])
    asks = any(control.smart for control in parse(SHIPPED[name]).controls)
    for words in ("Auto-Annotation", "<kbd>K</kbd>", "<kbd>R</kbd>", "<kbd>Ctrl</kbd>", "Accept the suggestion"):
        assert (words in html) == asks
    assert "Submitting an empty page" in html
    assert "Ctrl+Space" in html


def test_the_question_is_the_header_before_a_control() -> None:
    html = annotator_instructions(SHIPPED["everything.xml"])
    assert "1. What is the galaxy in the middle?" in html
    assert "2. Outline of every galaxy" in html
    assert "$redshift" not in annotator_instructions(SHIPPED["parameters.xml"])


def test_a_rectangle_that_is_drawn_by_hand_leaves_its_key_to_it() -> None:
    boxes = '<RectangleLabels name="boxes" toName="image"><Label value="Galaxy"/></RectangleLabels>'
    smart = '<RectangleLabels name="drag" toName="image" smart="true" smartOnly="true"><Label value="Ask"/></RectangleLabels>'
    assert "<kbd>R</kbd>" in annotator_instructions(view(smart))
    assert "<kbd>M</kbd>" in annotator_instructions(view(boxes + smart))
    assert "<kbd>R</kbd>" not in annotator_instructions(view(boxes + smart))


def test_a_smart_point_without_another_smart_tool_has_no_key_of_its_own() -> None:
    point = '<KeyPointLabels name="click" toName="image" smart="true" smartOnly="true"><Label value="Ask"/></KeyPointLabels>'
    html = annotator_instructions(view(point))
    assert "<kbd>M</kbd>, and click the object" in html
    assert "<kbd>K</kbd>" not in html


def test_labels_are_text_whatever_they_hold() -> None:
    html = annotator_instructions(
        view('<Choices name="c" toName="image"><Choice value="&lt;b onclick=x&gt; &amp; co"/></Choices>')
    )
    assert "&lt;b onclick=x&gt; &amp; co" in html


def test_of_very_many_labels_the_first_are_listed() -> None:
    many = "".join(f'<Choice value="Class {number}"/>' for number in range(200))
    html = annotator_instructions(view(f'<Choices name="c" toName="image">{many}</Choices>'))
    assert html.count("<tr>") == LISTED_LABELS
    assert f"and {200 - LISTED_LABELS} more" in html


def test_numbers_are_described_with_their_bounds() -> None:
    html = annotator_instructions(view('<Number name="axis_ratio" toName="image" min="0" max="1"/>'))
    assert "1. Axis ratio" in text(html)
    assert "at least 0 and at most 1" in html


def test_a_config_that_cannot_be_read_is_one_sentence() -> None:
    with pytest.raises(LabelConfigError, match="not well-formed"):
        annotator_instructions("<View>")

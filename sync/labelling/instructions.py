"""Generates the instructions for annotators from a labelling config: tasks, hotkeys, smart tools and the effect of submitting.

Label Studio stores a project's `expert_instruction` as HTML without `style` attributes, so a label's colour is the `bgcolor` of
a table cell. Its page resets the style of lists and headings, so the text itself numbers the steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import numpy as np
from defusedxml.ElementTree import fromstring

from sync.controls import ANSWERS, PIXELS, SHAPES, Kind
from sync.geometry.shapes import Box, Ellipse, Point, Polygon
from sync.labelling.config import Control, LabelConfig, parse

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

__all__ = ["annotator_instructions"]

LISTED_LABELS = 30
"""Most labels of one control in the instructions."""

TASKS = {
    Polygon: "one outline for each object, drawn corner by corner",
    np.ndarray: "one mask for each object, drawn with the brush",
    Box: "one box for each object",
    Ellipse: "one ellipse for each object",
    Point: "one point for each object",
}
"""Shape of a control to the sentence object that names the annotation."""
TOOLS = {Point: ("K", "click the object"), Box: ("R", "drag a box around the object")}
"""Shape of a smart control to the hotkey of its tool (Label Studio 1.23.2), and how the tool prompts for an object."""


@dataclass(frozen=True, slots=True)
class Button:
    """Name, hotkey, colour and hint of one label; empty strings where the config gives none."""

    name: str
    key: str
    colour: str
    hint: str


@dataclass(frozen=True, slots=True)
class ControlInstructions:
    """A control with its heading and the buttons of its labels."""

    control: Control
    heading: str
    buttons: tuple[Button, ...]


def annotator_instructions(xml: str) -> str:
    """Return the instructions for annotators of a project with this labelling config, as HTML that Label Studio stores.

    Raises
    ------
    LabelConfigError
        If the config cannot be read.
    """
    config = parse(xml)
    questions = list(_questions(xml, config))
    visible_questions = [question for question in questions if not question.control.smart_only]
    tools = [question for question in questions if question.control.smart and _shape(question.control) in TOOLS]
    parts = [
        "<p>Each task opens with the model's predictions. Correct them and <b>submit</b> (<kbd>Ctrl+Enter</kbd>). "
        "What you submit teaches the model, also what you leave as it was: look at all of it.</p>"
    ]
    for number, question in enumerate(visible_questions, 1):
        parts += [f"<br><h4>{number}. {escape(question.heading or _default_heading(question.control))}</h4>"]
        parts += [f"<p>{_task(question.control)}</p>", _table(question.buttons)]
    if tools:
        parts += _clicks(tools, visible_questions)
    parts += _what_counts(visible_questions)
    return "\n".join(part for part in parts if part)


def _questions(xml: str, config: LabelConfig) -> Iterator[ControlInstructions]:
    """Yield the controls in the config's order, each with the Header tag that directly precedes it."""
    heading = ""
    for element in fromstring(xml, forbid_dtd=True).iter():
        if element.tag.lower() == "header":
            heading = element.get("value") or ""
        control = config.control(element.get("name")) if element.tag.lower() not in ("image", "header") else None
        if control is not None:
            yield ControlInstructions(control, "" if "$" in heading else heading, tuple(_buttons(element, control)))
            heading = ""


def _buttons(element: Element, control: Control) -> Iterator[Button]:
    if control.tag in ANSWERS and (ANSWERS[control.tag].KIND is not Kind.CLASSES or ANSWERS[control.tag].NESTED):
        return
    for child in element.iter("Label" if control.marks_objects else "Choice"):
        if child.get("value"):
            colour = (child.get("background") or "") if control.marks_objects else ""
            yield Button(child.get("value", ""), child.get("hotkey") or "", colour, child.get("hint") or "")


def _shape(control: Control) -> type | None:
    return SHAPES[control.tag].SHAPE if control.tag in SHAPES else None


def _default_heading(control: Control) -> str:
    return control.name.replace("_", " ").capitalize()


def _task(control: Control) -> str:
    """Return the sentences about the annotator's task for a control."""
    if control.tag in ANSWERS:
        return ANSWERS[control.tag].instruction(control)
    return (
        f"Make {TASKS[SHAPES[control.tag].SHAPE]}. To correct one, select it with a click and drag; to delete it, press "
        "<kbd>Backspace</kbd>. To draw a new one, press the key of its label first."
    )


def _table(buttons: tuple[Button, ...]) -> str:
    if not buttons:
        return ""
    rows = "".join(
        f"<tr><td{_background(button.colour)}>&nbsp;</td><td><kbd>{escape(button.key)}</kbd></td>"
        f"<td><b>{escape(button.name)}</b></td><td>{escape(button.hint)}</td></tr>"
        for button in buttons[:LISTED_LABELS]
    )
    further_count = len(buttons) - LISTED_LABELS
    footer = f"<p>and {further_count} more, with the key that the page shows beside each.</p>" if further_count > 0 else ""
    return f'<table cellpadding="4"><tbody>{rows}</tbody></table>{footer}'


def _background(colour: str) -> str:
    return f' bgcolor="{escape(colour)}" width="12"' if colour else ""


def _clicks(tools: list[ControlInstructions], questions: list[ControlInstructions]) -> list[str]:
    """Return the section about prompting the model for an object with the smart tools of the config."""
    points = any(_shape(tool.control) is Point for tool in tools)
    thing = "mask" if any(question.control.tag in PIXELS for question in questions) else "outline"
    steps = [
        "Switch on <b>Auto-Annotation</b> below the image, then click an empty part of the page: while the switch has the "
        "focus, keys do nothing."
    ]
    steps += [_way(tool, questions, alone=len(tools) == 1) for tool in tools]
    steps += [
        f"Where an object has {_article(thing)} {thing} already, hold <kbd>Ctrl</kbd> while you do so: without it Label Studio "
        "selects what is there."
    ]
    if points:
        steps += [
            "Correct the suggestion by further clicks, each after the key of the label: <kbd>Ctrl</kbd>+click adds, "
            "<kbd>Ctrl</kbd>+<kbd>Alt</kbd>+click takes away."
        ]
    steps += [
        "<b>Accept the suggestion</b> with the check mark below the image <b>before you submit</b>: "
        "submitting while it waits loses it.",
        f"If the object now has two {thing}s, delete the old one: an object has one.",
    ]
    heading = f"<br><h4>Ask the model for {_article(thing)} {thing}</h4>"
    paragraphs = "".join(f"<p>{letter}. {step}</p>" for letter, step in zip("abcdefghij", steps, strict=False))
    return [heading, paragraphs, _table(tuple(button for tool in tools for button in tool.buttons))]


def _way(tool: ControlInstructions, questions: list[ControlInstructions], *, alone: bool) -> str:
    """Return the sentence about the keys of a smart tool.

    It gives the key of all smart tools in two cases (Label Studio 1.23.2): a control for manual drawing uses the tool's own
    key, or a smart key point is the only smart tool and therefore has no key of its own.
    """
    control, names = tool.control, " or ".join(_key_and_name(button) for button in tool.buttons[:LISTED_LABELS])
    shape = SHAPES[control.tag].SHAPE
    key, action = TOOLS[shape]
    is_drawn = any(question.control.tag == control.tag and not question.control.smart_only for question in questions)
    keys = "<kbd>M</kbd>, or click the button of smart tools, until it shows this tool" if is_drawn else f"<kbd>{key}</kbd>"
    if alone and shape is Point:
        keys = "<kbd>M</kbd>"
    return f"Press {names}, then {keys}, and {action}."


def _key_and_name(button: Button) -> str:
    key = f"<kbd>{escape(button.key)}</kbd>" if button.key else "the key"
    return f"{key} of <b>{escape(button.name)}</b>"


def _article(noun: str) -> str:
    return "an" if noun[0] in "aeiou" else "a"


def _what_counts(questions: list[ControlInstructions]) -> list[str]:
    shapes = [question.control for question in questions if question.control.tag in SHAPES]
    lines = [
        "<b>Submit</b> (<kbd>Ctrl+Enter</kbd>): the model learns from it.",
        "<b>Skip</b> (<kbd>Ctrl+Space</kbd>): nothing is learned, and the task stays to be done. Skip what you cannot judge"
        + (", unless a label says so." if any(question.buttons for question in questions) else "."),
    ]
    if shapes:
        lines += ["Delete predicted shapes that mark no object, and add objects that have none: both are learned."]
    if shapes and len(shapes) < len(questions):
        lines += ["An image with an answer but without any shape counts as an image without objects."]
    lines += ["<b>Submitting an empty page</b> trains nothing: it cannot be distinguished from a mistake."]
    return ["<br><h4>What counts</h4>", *(f"<p>{line}</p>" for line in lines)]

"""XML elements of a labelling config: their attributes, labels and conditions."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from sync.controls import ANSWERS, NUMBERS, TAG_OF_TYPE
from sync.controls.control import Control, Label, join_path

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

__all__ = [
    "MAX_CHARACTERS",
    "Condition",
    "LabelConfigError",
    "read_attribute",
    "read_condition",
    "read_control",
    "read_flag",
    "read_xml",
]

MAX_CHARACTERS = 4_000_000
"""Longest labelling config: a taxonomy of 50,000 classes fits; longer input could occupy the parser for minutes."""
MAX_TAXONOMY_DEPTH = 50


class LabelConfigError(ValueError):
    """The labelling config cannot be read; the message is one sentence for the project's manager."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition for showing a control: the `visibleWhen` of the control or of a View that contains it.

    Attributes
    ----------
    when : str
        `choice-selected`, `choice-unselected`, `region-selected` or `no-region-selected`.
    control : str
        Name of the control that the condition refers to (`whenTagName`); empty for any control.
    values : tuple of str
        Values of which at least one must be selected (`whenChoiceValue`, `whenLabelValue`); empty for any value.
    """

    when: str
    control: str = ""
    values: tuple[str, ...] = ()


def read_xml(xml: str) -> Element:
    """Parse XML without a DTD or entities.

    Raises
    ------
    LabelConfigError
        If `xml` is not XML, is too long, or declares a DTD or entities.
    """
    if len(xml) > MAX_CHARACTERS:
        raise LabelConfigError(f"the labelling config has {len(xml)} characters: at most {MAX_CHARACTERS} are read")
    try:
        root: Element = fromstring(xml, forbid_dtd=True)
    except DefusedXmlException as error:
        raise LabelConfigError("the labelling config declares a DTD or entities: remove the declaration") from error
    except (ParseError, ValueError, LookupError) as error:  # ValueError, LookupError: unknown encoding
        raise LabelConfigError(f"the labelling config is not well-formed XML: {error}") from error
    return root


def read_attribute(element: Element, key: str) -> str:
    """Return an attribute, or "" if it is missing; like Label Studio's page, accept `leafsonly` for `leafsOnly`."""
    return element.get(key) or element.get(key.lower()) or ""


def read_flag(element: Element, key: str) -> bool:
    """Return whether an attribute is `true`."""
    return read_attribute(element, key).lower() == "true"


def read_condition(element: Element) -> Condition | None:
    """Return the condition for showing an element, or None if the page always shows it."""
    when, choice = read_attribute(element, "visibleWhen"), read_attribute(element, "whenChoiceValue")
    if not when:  # older configs give `whenChoiceValue` alone
        return Condition("choice-selected", values=(choice,)) if choice else None
    values = read_attribute(element, "whenLabelValue") if when == "region-selected" else choice
    return Condition(when, read_attribute(element, "whenTagName"), tuple(values.split(",")) if values else ())


def read_control(element: Element, *, name: str, to_names: list[str]) -> Control:
    """Return the control of an element whose tag in lower case is in `TAG_OF_TYPE`.

    Raises
    ------
    LabelConfigError
        If the choices of a taxonomy are nested too deeply, or the minimum of a Number or Rating is above its maximum.
    """
    tag = TAG_OF_TYPE[element.tag.lower()]
    labels: tuple[Label, ...] = ()
    paths: tuple[tuple[str, ...], ...] = ()
    multiple = read_attribute(element, "choice") == "multiple"
    minimum = maximum = step = None
    if tag in ANSWERS and ANSWERS[tag].NESTED:
        nodes = list(_nodes(element, leaves_only=read_flag(element, "leafsOnly"), name=name))
        labels, paths = tuple(label for label, _ in nodes), tuple(path for _, path in nodes)
        multiple = read_attribute(element, "maxUsages") != "1"
    elif tag in NUMBERS:
        minimum, maximum, step = NUMBERS[tag].bounds(lambda key: _read_bound(element, key))
    else:
        labels = tuple(_labels(element, "Choice" if tag in ANSWERS else "Label"))
    if minimum is not None and maximum is not None and minimum > maximum:
        raise LabelConfigError(f"the {tag} {name!r} has min {minimum:g} above max {maximum:g}: no number fits")
    return Control(
        name=name,
        to_name=to_names[0],
        tag=tag,
        labels=labels,
        multiple=multiple,
        smart=read_flag(element, "smart"),
        minimum=minimum,
        maximum=maximum,
        paths=paths,
        step=step if step is not None and step > 0 else None,
        smart_only=read_flag(element, "smartOnly"),
        never_smart=read_attribute(element, "smart").lower() == "false",
        also_to=tuple(dict.fromkeys(to_names))[1:],
        per_item=read_flag(element, "perItem"),
        predicted_values=_aliases(element) if tag in NUMBERS else (),
    )


def _children(element: Element, tag: str) -> Iterator[Element]:
    """Yield the descendants with `tag` in document order, without those inside another `tag` or another control."""
    stack = list(reversed(element))
    while stack:
        child = stack.pop()
        if child.tag == tag:
            yield child
        elif child.tag.lower() not in TAG_OF_TYPE:
            stack.extend(reversed(child))


def _labels(element: Element, tag: str) -> Iterator[Label]:
    """Yield the labels of a control; if several have the same stored name, only the first."""
    names = set()
    for child in _children(element, tag):
        value = child.get("alias") or child.get("value")
        if value and value not in names:
            names.add(value)
            yield Label(value=value, aliases=_aliases(child), display_name=child.get("value") or value)


def _nodes(
    element: Element, *, leaves_only: bool, name: str, above: tuple[str, ...] = ()
) -> Iterator[tuple[Label, tuple[str, ...]]]:
    """Yield the nodes of a taxonomy with their paths, in pre-order."""
    if len(above) > MAX_TAXONOMY_DEPTH:
        raise LabelConfigError(f"the choices of {name!r} are nested deeper than {MAX_TAXONOMY_DEPTH} levels")
    names = set()
    for child in _children(element, "Choice"):
        value = child.get("alias") or child.get("value")
        if not value or value in names:
            continue
        names.add(value)
        path = (*above, value)
        below = list(_nodes(child, leaves_only=leaves_only, name=name, above=path))
        if not (leaves_only and below):
            aliases = (*_aliases(child), value) if child.get("alias") else _aliases(child)
            yield Label(value=join_path(path), aliases=aliases, display_name=child.get("value") or value), path
        yield from below


def _aliases(element: Element) -> tuple[str, ...]:
    return tuple(name.strip() for name in read_attribute(element, "predicted_values").split(",") if name.strip())


def _read_bound(element: Element, key: str) -> float | None:
    try:
        number = float(read_attribute(element, key))
    except ValueError:
        return None
    return number if math.isfinite(number) else None

"""Parser of a project's labelling config: its controls, their labels and their images.

The parser reads only the parts that predictions need. The stored name of a label is its `alias` if it has one, as in Label
Studio's own validator; the page then displays only its `value`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sync.controls import ANSWERS, CONTROLS, OBJECTS, SHAPES, TAG_OF_TYPE, Kind
from sync.controls.control import Control, Label, join_path
from sync.labelling.elements import (
    MAX_CHARACTERS,
    Condition,
    LabelConfigError,
    read_attribute,
    read_condition,
    read_control,
    read_flag,
    read_xml,
)

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

__all__ = [
    "MAX_CHARACTERS",
    "Condition",
    "Control",
    "Label",
    "LabelConfig",
    "LabelConfigError",
    "find_unsupported",
    "join_path",
    "parse",
]

_VARIABLE = re.compile(r"\$[^$, {}'\"]+")
_REPLACEMENTS = {"labels": " or ".join(OBJECTS)} | {tag.removesuffix("Labels").lower(): tag for tag in SHAPES}
"""Unsupported tags for objects on an image, and the tags that replace them."""


@dataclass(frozen=True, slots=True)
class LabelConfig:
    """The supported controls of a labelling config, and the keys of a task's images.

    Attributes
    ----------
    controls : tuple of Control
        In the config's order.
    image_key : mapping of str to str
        Name of an Image tag to the key of the task's data, or to a path in the data such as `images[0].url`.
    paged_images : frozenset of str
        Names of the Image tags with `valueList`; their key has a list of references, one per page.
    conditions : mapping of str to tuple of Condition
        Name of a control, of any tag, to the conditions that must all hold for the page to show it.
    passed_over : tuple of str
        Reasons why tags on images are not supported, one sentence each.
    names : frozenset of str
        Names of all tags, including unsupported ones.
    """

    controls: tuple[Control, ...] = ()
    image_key: Mapping[str, str] = field(default_factory=dict)
    paged_images: frozenset[str] = frozenset()
    conditions: Mapping[str, tuple[Condition, ...]] = field(default_factory=dict)
    passed_over: tuple[str, ...] = ()
    names: frozenset[str] = frozenset()

    def control(self, name: object) -> Control | None:
        """Return the control with this name, or None if the config has no supported control of that name."""
        return next((control for control in self.controls if control.name == name), None)


def find_unsupported(xml: str) -> tuple[str, ...]:
    """Return the reasons why parts of a labelling config are not supported, one sentence each."""
    try:
        return parse(xml).passed_over
    except LabelConfigError as error:
        return (str(error),)


def parse(xml: str) -> LabelConfig:
    """Parse a labelling config.

    The result excludes controls that annotate no Image tag with a variable, controls of a region (`perRegion`), controls in a
    Repeater, and tags that `sync.controls` does not list. It also excludes Choices with `allowNested`: Label Studio's page
    requires paths as their values and its validator requires names, so no value is valid for both. A Taxonomy is supported.

    Raises
    ------
    LabelConfigError
        If `xml` is not XML, declares entities or a DTD, repeats a name, or gives a Number bounds that no number satisfies.
    """
    root = read_xml(xml)
    tags = _Tags()
    for element, conditions in _walk(root, tags.passed_over):
        if name := element.get("name"):
            tags.add(element, name, conditions)
    tags.passed_over += [
        f"the Image {name!r} shows {reference!r}, which is not a key of the task's data: put the whole reference under a key, "
        'such as value="$image"'
        for name, reference in tags.constant_images.items()
    ]
    controls = tuple(_controls(tags))
    tags.passed_over += [
        f"the {element.tag} {element.get('name')!r} is not read: use {_REPLACEMENTS[element.tag.lower()]}"
        for element in tags.not_read
        if not tags.images.keys().isdisjoint(_targets(element))
    ]
    names = frozenset(name for element in root.iter() if (name := element.get("name")))
    return LabelConfig(controls, tags.images, frozenset(tags.paged_images), tags.conditions, tuple(tags.passed_over), names)


@dataclass
class _Tags:
    """The named tags of a config, grouped into images, supported controls and unsupported object tags."""

    images: dict[str, str] = field(default_factory=dict)
    paged_images: set[str] = field(default_factory=set)
    constant_images: dict[str, str] = field(default_factory=dict)
    controls: dict[str, Element] = field(default_factory=dict)
    conditions: dict[str, tuple[Condition, ...]] = field(default_factory=dict)
    not_read: list[Element] = field(default_factory=list)
    passed_over: list[str] = field(default_factory=list)

    def add(self, element: Element, name: str, conditions: tuple[Condition, ...]) -> None:
        """Add a tag to its group, with the conditions under which the page shows it."""
        tag = element.tag.lower()
        if tag == "image":
            self._add_image(element, name)
        elif read_attribute(element, "toName"):
            if conditions:
                self.conditions[name] = conditions
            if tag in TAG_OF_TYPE:
                if name in self.controls:
                    raise LabelConfigError(f"the labelling config has two controls called {name!r}: rename one")
                self.controls[name] = element
            elif tag in _REPLACEMENTS:
                self.not_read.append(element)

    def _add_image(self, element: Element, name: str) -> None:
        if name in self.images or name in self.constant_images:
            raise LabelConfigError(f"the labelling config has two images called {name!r}: give each a name of its own")
        pages = read_attribute(element, "valueList").strip()
        reference = pages or (element.get("value") or "").strip()
        if not _VARIABLE.fullmatch(reference):
            self.constant_images[name] = reference
            return
        self.images[name] = reference[1:]
        if pages:
            self.paged_images.add(name)


def _controls(tags: _Tags) -> Iterator[Control]:
    """Yield the supported controls on images; append the reasons for leaving out others to `tags.passed_over`."""
    for name, element in tags.controls.items():
        to_names = [target for target in _targets(element) if target in tags.images]
        if not to_names:
            continue
        if reason := _find_unsupported(element, name):
            tags.passed_over.append(reason)
            continue
        control = read_control(element, name=name, to_names=to_names)
        yield control
        if not control.labels and CONTROLS[control.tag].KIND is not Kind.NUMBER:
            tags.passed_over.append(
                f"the {control.tag} {name!r} have no labels in the config: labels from the task's data or from a URL are not "
                "predicted"
            )


def _walk(root: Element, passed_over: list[str]) -> Iterator[tuple[Element, tuple[Condition, ...]]]:
    """Yield the elements in document order, with the conditions under which the page shows each; skip Repeaters."""
    stack: list[tuple[Element, tuple[Condition, ...]]] = [(root, ())]
    while stack:
        element, conditions = stack.pop()
        if element.tag.lower() == "repeater":
            inside = {child.tag.lower() for child in element.iter()}
            if not inside.isdisjoint({"image", *TAG_OF_TYPE}):
                passed_over.append(
                    f"the content of the Repeater on {read_attribute(element, 'on')!r} is passed over: "
                    'for a task of several images use pages, <Image name="image" valueList="$images"/>'
                )
            continue
        condition = read_condition(element)
        conditions = (*conditions, condition) if condition else conditions
        yield element, conditions
        stack += [(child, conditions) for child in reversed(element)]


def _targets(element: Element) -> list[str]:
    """Return the names of the tags that a control annotates."""
    return [target.strip() for target in read_attribute(element, "toName").split(",")]


def _find_unsupported(element: Element, name: str) -> str:
    """Return the reason why a control on an image is not supported, or an empty string if it is supported."""
    if read_flag(element, "perRegion"):
        return f"the control {name!r} asks about each region (perRegion), and only controls of a whole image are predicted"
    codec = ANSWERS.get(TAG_OF_TYPE[element.tag.lower()])
    if codec and codec.KIND is Kind.CLASSES and not codec.NESTED and read_flag(element, "allowNested"):
        return f"the {codec.TAG} {name!r} are nested (allowNested): make them a Taxonomy"
    return ""

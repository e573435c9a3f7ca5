"""A project's labelling config: which controls we can fill, with which labels, on which image.

Only what the predictions need is read. The stored name of a label is its `alias` where it has one, as Label Studio's
own validator reads it; `value` is then only what the annotator sees.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from sync.labelling.matching import match_labels

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

__all__ = [
    "FILLABLE_TAGS",
    "MAX_CHARACTERS",
    "Condition",
    "Control",
    "Label",
    "LabelConfig",
    "LabelConfigError",
    "join_path",
    "match_labels",
    "not_supported",
    "parse",
]

FILLABLE_TAGS = (
    "Choices",
    "Taxonomy",
    "RectangleLabels",
    "EllipseLabels",
    "BrushLabels",
    "PolygonLabels",
    "KeyPointLabels",
    "Number",
)

MAX_CHARACTERS = 4_000_000
"""A taxonomy of 50,000 classes fits; a request that makes the parser work for minutes does not."""

MAX_TAXONOMY_DEPTH = 50

_CANONICAL_TAG = {tag.lower(): tag for tag in FILLABLE_TAGS}
_VARIABLE = re.compile(r"\$[^$, {}'\"]+")
_OTHER_MARKS = {
    "labels": "RectangleLabels, EllipseLabels, PolygonLabels or BrushLabels",
    "rectangle": "RectangleLabels",
    "ellipse": "EllipseLabels",
    "polygon": "PolygonLabels",
    "brush": "BrushLabels",
    "keypoint": "KeyPointLabels",
    "bitmask": "BrushLabels",
    "bitmasklabels": "BrushLabels",
    "vector": "PolygonLabels",
    "vectorlabels": "PolygonLabels",
}
"""Tags that mark objects on an image and are not read, and what does the same and is."""
_MARKING_TAGS = ("RectangleLabels", "EllipseLabels", "BrushLabels", "PolygonLabels", "KeyPointLabels")


class LabelConfigError(ValueError):
    """The labelling config cannot be read; the message is one sentence for the project's manager."""


@dataclass(frozen=True, slots=True)
class Label:
    """One label that a control offers.

    Attributes
    ----------
    value : str
        What a result stores: the `alias` where there is one, else the `value`; for a node of a taxonomy, its joined
        path.
    aliases : tuple of str
        The names in `predicted_values`: the model classes that this label stands for.
    shown : str
        What the annotator reads; for a node of a taxonomy its own name, without the path.
    """

    value: str
    aliases: tuple[str, ...] = ()
    shown: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The label's own names, the stored one first."""
        return (self.value, self.shown) if self.shown and self.shown != self.value else (self.value,)


@dataclass(frozen=True, slots=True)
class Condition:
    """When a control is shown: a `visibleWhen` of its own or of a View around it.

    Attributes
    ----------
    when : str
        `choice-selected`, `choice-unselected`, `region-selected` or `no-region-selected`.
    control : str
        Name of the control that it depends on (`whenTagName`), empty for any.
    values : tuple of str
        Of them one must be chosen (`whenChoiceValue`, `whenLabelValue`); empty for any.
    """

    when: str
    control: str = ""
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Control:
    """One control tag on an image, or on several.

    Attributes
    ----------
    name, to_name : str
        The control's name and the name of the Image tag it annotates, the first one if it annotates several.
    tag : str
        One of `FILLABLE_TAGS`.
    labels : tuple of Label
        In the config's order; empty for Number, and where the labels come from the task or from a URL.
    multiple : bool
        Whether one result may hold several labels.
    smart, smart_only, never_smart : bool
        Whether the control is marked as a tool for prompts (`smart="true"`), as nothing but that (`smartOnly="true"`), or as
        none (`smart="false"`).
    minimum, maximum, step : float or None
        Bounds of a Number.
    paths : tuple of tuple of str
        The path of each of `labels` of a Taxonomy; else empty.
    also_to : tuple of str
        Names of the further Image tags that it annotates.
    per_item : bool
        Whether it is answered for each page of its image (`perItem`).
    """

    name: str
    to_name: str
    tag: str
    labels: tuple[Label, ...] = ()
    multiple: bool = False
    smart: bool = False
    minimum: float | None = None
    maximum: float | None = None
    paths: tuple[tuple[str, ...], ...] = ()
    step: float | None = None
    smart_only: bool = False
    never_smart: bool = False
    also_to: tuple[str, ...] = ()
    per_item: bool = False

    @property
    def to_names(self) -> tuple[str, ...]:
        """The names of all Image tags that it annotates."""
        return (self.to_name, *self.also_to)

    @property
    def marks_objects(self) -> bool:
        """Whether its regions lie somewhere on the image, rather than classify it."""
        return self.tag in _MARKING_TAGS

    @property
    def only_prompts(self) -> bool:
        """Whether its regions are prompts and never an answer: a smart key point, or anything with `smartOnly`."""
        return self.smart_only or (self.smart and self.tag == "KeyPointLabels")

    def path(self, value: str) -> tuple[str, ...]:
        """Return the path of the label that is stored as `value`.

        Raises
        ------
        KeyError
            If the control has no such path.
        """
        for label, path in zip(self.labels, self.paths, strict=False):
            if label.value == value:
                return path
        raise KeyError(f"control {self.name!r} has no path {value!r}")


@dataclass(frozen=True, slots=True)
class LabelConfig:
    """The controls that can be filled, and where the images of a task are found.

    Attributes
    ----------
    controls : tuple of Control
        In the config's order; empty if there is nothing that we can fill.
    image_key : mapping of str to str
        Name of an Image tag to the key of the task's data, or to a path in them such as `images[0].url`.
    paged : frozenset of str
        Names of the Image tags with `valueList`: their key holds a list of references, one a page.
    conditions : mapping of str to tuple of Condition
        Name of a control, of any tag, to the conditions that must all hold for it to be shown.
    passed_over : tuple of str
        What annotates images and is not supported, one sentence each.
    names : frozenset of str
        Of all tags, those that cannot be filled among them.
    """

    controls: tuple[Control, ...] = ()
    image_key: Mapping[str, str] = field(default_factory=dict)
    paged: frozenset[str] = frozenset()
    conditions: Mapping[str, tuple[Condition, ...]] = field(default_factory=dict)
    passed_over: tuple[str, ...] = ()
    names: frozenset[str] = frozenset()

    def control(self, name: object) -> Control | None:
        """Return the control called `name`, or None: regions of other controls are not ours to read."""
        return next((control for control in self.controls if control.name == name), None)


def join_path(path: tuple[str, ...]) -> str:
    """Return a path of a taxonomy as one name: `("Featured", "Spiral")` is `Featured/Spiral`."""
    return "/".join(path)


def not_supported(xml: str) -> tuple[str, ...]:
    """Return what of a labelling config is not supported, one sentence each."""
    try:
        return parse(xml).passed_over
    except LabelConfigError as error:
        return (str(error),)


def parse(xml: str) -> LabelConfig:
    """Read a labelling config.

    Controls are left out that annotate no Image tag with a variable, that belong to a region (`perRegion`), that stand in a
    Repeater, or whose tag is none of ours; so are Choices with `allowNested`: Label Studio's page wants paths there, its own
    validator wants names, and nothing satisfies both. A Taxonomy does.

    Raises
    ------
    LabelConfigError
        If `xml` is not XML, declares entities or a DTD, repeats a name, or bounds a Number so that no number fits.
    """
    root = _read(xml)
    images: dict[str, str] = {}
    paged: set[str] = set()
    unread: dict[str, str] = {}
    elements: dict[str, Element] = {}
    conditions: dict[str, tuple[Condition, ...]] = {}
    passed_over: list[str] = []
    others: list[Element] = []
    for element, around in _walk(root, passed_over):
        name = element.get("name")
        if not name:
            continue
        if element.tag.lower() == "image":
            if name in images or name in unread:
                raise LabelConfigError(f"the labelling config has two images called {name!r}: give each a name of its own")
            listed = _attribute(element, "valueList").strip()
            reference = listed or (element.get("value") or "").strip()
            if not _VARIABLE.fullmatch(reference):
                unread[name] = reference
                continue
            images[name] = reference[1:]
            if listed:
                paged.add(name)
        elif _attribute(element, "toName"):
            if around:
                conditions[name] = around
            if element.tag.lower() in _CANONICAL_TAG:
                if name in elements:
                    raise LabelConfigError(f"the labelling config has two controls called {name!r}: rename one")
                elements[name] = element
            elif element.tag.lower() in _OTHER_MARKS:
                others.append(element)
    passed_over += [
        f"the Image {name!r} shows {reference!r}, which is no key of the task's data: put the whole reference under a key, "
        'such as value="$image"'
        for name, reference in unread.items()
    ]
    controls = []
    for name, element in elements.items():
        to_names = [target for target in _targets(element) if target in images]
        if not to_names:
            continue
        fault = _unsupported(element, name)
        if fault:
            passed_over.append(fault)
            continue
        control = _control(element, name=name, to_names=to_names)
        controls.append(control)
        if control.tag != "Number" and not control.labels:
            passed_over.append(
                f"the {control.tag} {name!r} have no labels in the config: what they take from the task's data or from a URL "
                "is not predicted"
            )
    passed_over += [
        f"the {element.tag} {element.get('name')!r} is not read: use {_OTHER_MARKS[element.tag.lower()]}"
        for element in others
        if not images.keys().isdisjoint(_targets(element))
    ]
    names = frozenset(name for element in root.iter() if (name := element.get("name")))
    return LabelConfig(tuple(controls), images, frozenset(paged), conditions, tuple(passed_over), names)


def _walk(root: Element, passed_over: list[str]) -> Iterator[tuple[Element, tuple[Condition, ...]]]:
    """Yield the elements in order with the conditions under which each is shown; what stands in a Repeater is passed over."""
    stack: list[tuple[Element, tuple[Condition, ...]]] = [(root, ())]
    while stack:
        element, around = stack.pop()
        if element.tag.lower() == "repeater":
            inside = {child.tag.lower() for child in element.iter()}
            if not inside.isdisjoint({"image", *_CANONICAL_TAG}):
                passed_over.append(
                    f"what stands in the Repeater on {_attribute(element, 'on')!r} is passed over: "
                    'for a task of several images use pages, <Image name="image" valueList="$images"/>'
                )
            continue
        condition = _condition(element)
        around = (*around, condition) if condition else around
        yield element, around
        stack += [(child, around) for child in reversed(element)]


def _condition(element: Element) -> Condition | None:
    when, choice = _attribute(element, "visibleWhen"), _attribute(element, "whenChoiceValue")
    if not when:  # an old spelling
        return Condition("choice-selected", values=(choice,)) if choice else None
    values = _attribute(element, "whenLabelValue") if when == "region-selected" else choice
    return Condition(when, _attribute(element, "whenTagName"), tuple(values.split(",")) if values else ())


def _targets(element: Element) -> list[str]:
    """Return the names of the tags that a control annotates."""
    return [target.strip() for target in _attribute(element, "toName").split(",")]


def _unsupported(element: Element, name: str) -> str:
    """Say why a control on an image is not supported; empty if it is."""
    if _flag(element, "perRegion"):
        return f"the control {name!r} asks about each region (perRegion), and only what is asked about a whole image is filled"
    if element.tag.lower() == "choices" and _flag(element, "allowNested"):
        return f"the Choices {name!r} are nested (allowNested): make them a Taxonomy"
    return ""


def _read(xml: str) -> Element:
    if len(xml) > MAX_CHARACTERS:
        raise LabelConfigError(f"the labelling config has {len(xml)} characters: {MAX_CHARACTERS} are the most we read")
    try:
        root: Element = fromstring(xml, forbid_dtd=True)
    except DefusedXmlException as error:
        raise LabelConfigError("the labelling config declares a DTD or entities: remove the declaration") from error
    except (ParseError, ValueError, LookupError) as error:  # ValueError, LookupError: an encoding that Python lacks
        raise LabelConfigError(f"the labelling config is not well-formed XML: {error}") from error
    return root


def _control(element: Element, *, name: str, to_names: list[str]) -> Control:
    tag = _CANONICAL_TAG[element.tag.lower()]
    labels: tuple[Label, ...] = ()
    paths: tuple[tuple[str, ...], ...] = ()
    if tag == "Taxonomy":
        nodes = list(_paths(element, leaves_only=_flag(element, "leafsOnly"), name=name))
        labels, paths = tuple(label for label, _ in nodes), tuple(path for _, path in nodes)
    elif tag != "Number":
        labels = tuple(_labels(element, "Choice" if tag == "Choices" else "Label"))
    multiple = _attribute(element, "maxUsages") != "1" if tag == "Taxonomy" else _attribute(element, "choice") == "multiple"
    minimum, maximum, step = (_bound(element, key) if tag == "Number" else None for key in ("min", "max", "step"))
    if minimum is not None and maximum is not None and minimum > maximum:
        raise LabelConfigError(f"the Number {name!r} has min {minimum:g} above max {maximum:g}: no number fits")
    return Control(
        name=name,
        to_name=to_names[0],
        tag=tag,
        labels=labels,
        multiple=multiple,
        smart=_flag(element, "smart"),
        minimum=minimum,
        maximum=maximum,
        paths=paths,
        step=step if step is not None and step > 0 else None,
        smart_only=_flag(element, "smartOnly"),
        never_smart=_attribute(element, "smart").lower() == "false",
        also_to=tuple(dict.fromkeys(to_names))[1:],
        per_item=_flag(element, "perItem"),
    )


def _children(element: Element, tag: str) -> Iterator[Element]:
    """Yield the nearest descendants with `tag`, in order: through Views, but not into another `tag`."""
    stack = list(reversed(element))
    while stack:
        child = stack.pop()
        if child.tag == tag:
            yield child
        elif child.tag.lower() not in _CANONICAL_TAG:
            stack.extend(reversed(child))


def _labels(element: Element, tag: str) -> Iterator[Label]:
    seen = set()
    for child in _children(element, tag):
        value = child.get("alias") or child.get("value")
        if value and value not in seen:
            seen.add(value)
            yield Label(value=value, aliases=_aliases(child), shown=child.get("value") or value)


def _paths(
    element: Element, *, leaves_only: bool, name: str, above: tuple[str, ...] = ()
) -> Iterator[tuple[Label, tuple[str, ...]]]:
    if len(above) > MAX_TAXONOMY_DEPTH:
        raise LabelConfigError(f"the choices of {name!r} are nested deeper than {MAX_TAXONOMY_DEPTH} levels")
    seen = set()
    for child in _children(element, "Choice"):
        value = child.get("alias") or child.get("value")
        if not value or value in seen:
            continue
        seen.add(value)
        path = (*above, value)
        below = list(_paths(child, leaves_only=leaves_only, name=name, above=path))
        if not (leaves_only and below):
            aliases = (*_aliases(child), value) if child.get("alias") else _aliases(child)
            yield Label(value=join_path(path), aliases=aliases, shown=child.get("value") or value), path
        yield from below


def _aliases(element: Element) -> tuple[str, ...]:
    return tuple(name.strip() for name in _attribute(element, "predicted_values").split(",") if name.strip())


def _bound(element: Element, key: str) -> float | None:
    try:
        number = float(_attribute(element, key))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _flag(element: Element, key: str) -> bool:
    return _attribute(element, key).lower() == "true"


def _attribute(element: Element, key: str) -> str:
    """Return an attribute, or "": Label Studio's page reads `leafsonly` as it reads `leafsOnly`."""
    return element.get(key) or element.get(key.lower()) or ""

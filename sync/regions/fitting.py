"""From marks and answers to regions of a project's labelling config.

Each shape goes to the control that can hold it best: a mask to brush strokes, else to an outline, else to a box. What a shape
becomes is counted; what no control can hold raises `RegionsError`.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sync.controls import CONTROLS, ControlError, brushlabels
from sync.controls.number import STEP_TOLERANCE
from sync.controls.polygonlabels import MAX_CORNERS
from sync.controls.region import Region
from sync.errors.controls import quote
from sync.errors.images import DAMAGE
from sync.export.outlines import outline_of
from sync.geometry.corners import box_around, box_corners, ellipse_box, ellipse_corners
from sync.geometry.footprint import Footprint
from sync.geometry.shapes import Box, Ellipse, Point, Polygon, Size
from sync.labelling.config import Control, LabelConfig
from sync.labelling.matching import read_label, read_path
from sync.regions.marks import Answer, Canvas, Drawn, Mark, RegionsError, Shape

__all__ = ["Fitting", "ellipse_pixels", "unique_ids"]

_KINDS = {Box: "box", Ellipse: "ellipse", Point: "point", Polygon: "polygon", Footprint: "mask"}
_TAGS = {
    Footprint: ("BrushLabels", "PolygonLabels", "RectangleLabels"),
    Polygon: ("PolygonLabels", "BrushLabels", "RectangleLabels"),
    Ellipse: ("EllipseLabels", "BrushLabels", "PolygonLabels", "RectangleLabels"),
    Box: ("RectangleLabels", "PolygonLabels", "BrushLabels"),
    Point: ("KeyPointLabels",),
}
"""Which controls hold a shape, the nearest first."""
_BECOMES = {
    "BrushLabels": "mask",
    "PolygonLabels": "polygon",
    "RectangleLabels": "box",
    "EllipseLabels": "ellipse",
    "KeyPointLabels": "point",
}
ID_CHARACTERS = 16
OTHER_CORNERS = 4


class Fitting:
    """Makes regions for one labelling config.

    Parameters
    ----------
    config : LabelConfig
    control : str, optional
        Name of the control that takes all objects. Default: by the type of shape.
    label : str, optional
        Class of what the file gives none.
    scored : bool
        Whether regions keep their scores, as predictions do.

    Attributes
    ----------
    changed : Counter
        How many of each kind of shape became another kind: ``("mask", "polygon")``.

    Raises
    ------
    RegionsError
        If the config has no such control or label.
    """

    def __init__(self, config: LabelConfig, *, control: str = "", label: str = "", scored: bool = True) -> None:
        self._config = config
        self._label = label
        self._scored = scored
        if control:
            self._controls = [_chosen(config, control)]
        else:
            self._controls = [one for one in config.controls if one.marks_objects and not one.only_prompts]
        if label and not any(read_label(label, one) for one in self._controls):
            raise RegionsError(f"no control of the labelling config has the label {label!r}")
        self.changed: Counter[tuple[str, str]] = Counter()

    def object_region(self, mark: Mark, canvas: Canvas, *, image: str) -> Region:
        """Return the region of a mark on a picture.

        Parameters
        ----------
        mark : Mark
        canvas : Canvas
        image : str
            Name of the Image tag that shows the picture.

        Raises
        ------
        RegionsError
            If it cannot be placed, the config has no control or label for it, or it lies outside the picture.
        """
        try:
            drawn = mark.draw(canvas)
            _check_on_picture(drawn.shape, canvas.size)
            return self._encoded(mark, drawn, canvas.size, image)
        except RegionsError:
            raise
        except ControlError as error:
            raise RegionsError(str(error)) from error
        except DAMAGE as error:  # of the libraries that draw it, for one object among thousands
            raise RegionsError(f"it cannot be drawn ({type(error).__name__}: {error})") from error

    def answer_region(self, answer: Answer) -> Region:
        """Return the region of an answer.

        Raises
        ------
        RegionsError
            If the config has no such control, or the control no such answer.
        """
        control = self._config.control(answer.control)
        if control is None or control.marks_objects:
            raise RegionsError(f"the labelling config has no control {answer.control!r} for an answer about the whole image")
        score = answer.score if self._scored else None
        try:
            return _with_stable_id(CONTROLS[control.tag].encode(_value(answer, control), control=control, score=score))
        except ControlError as error:
            raise RegionsError(str(error)) from error

    def _encoded(self, mark: Mark, drawn: Drawn, size: Size, image: str) -> Region:
        kind = type(drawn.shape)
        there = [control for control in self._controls if image in control.to_names]
        fitting = [control for tag in _TAGS[kind] for control in there if control.tag == tag]
        fitting.sort(key=lambda control: control.name != mark.control)  # the one that it was exported from first
        if not fitting:
            raise RegionsError(
                f"the labelling config has no control for a {_KINDS[kind]}: {' or '.join(_TAGS[kind])} would be one"
            )
        refusals: list[str] = []
        for control in fitting:
            label = self._label_of(mark, control)
            if label is None:
                refusals.append(_no_label(mark, control))
                continue
            try:
                score = mark.score if self._scored else None
                region = _region(drawn, control, label, size, score)
            except ControlError as error:
                refusals.append(str(error))
                continue
            became = _BECOMES[control.tag]
            if became != _KINDS[kind]:
                self.changed[_KINDS[kind], became] += 1
            return _with_stable_id({**region, "to_name": image})
        raise RegionsError(refusals[0])

    def _label_of(self, mark: Mark, control: Control) -> str | None:
        """The control's label for a mark; the one that is asked for, or the only one, where the file says none."""
        for name in mark.labels:
            if (label := read_label(name, control)) is not None:
                return label
        if mark.labels and not mark.may_be_unlabelled:
            return None
        if self._label:
            return read_label(self._label, control)
        return control.labels[0].value if len(control.labels) == 1 else None


def _chosen(config: LabelConfig, name: str) -> Control:
    control = config.control(name)
    if control is None or not control.marks_objects:
        known = ", ".join(one.name for one in config.controls if one.marks_objects) or "none"
        raise RegionsError(f"the labelling config has no control {name!r} that marks objects: it has {known}")
    return control


def _no_label(mark: Mark, control: Control) -> str:
    has = quote([label.value for label in control.labels])
    if mark.labels:
        return f"its class {quote(mark.labels[0])} is no label of {control.name!r}, which has {has}"
    return f"it has no class, and {control.name!r} has several labels ({has}): name one with --label"


def _region(drawn: Drawn, control: Control, label: str, size: Size, score: float | None) -> Region:
    """Return what was drawn as a region of a control, as whatever shape it holds."""
    if control.tag == "BrushLabels":
        part = _footprint(drawn, size)
        return brushlabels.encode_part(part.pixels, x=part.x, y=part.y, control=control, label=label, size=size, score=score)
    held: dict[str, Callable[[], Shape]] = {
        "PolygonLabels": lambda: _polygon(drawn, size),
        "EllipseLabels": lambda: drawn.shape,
        "RectangleLabels": lambda: _inside_box(drawn, size),
        "KeyPointLabels": lambda: drawn.shape,
    }
    return CONTROLS[control.tag].encode(held[control.tag](), control=control, label=label, size=size, score=score)


def _footprint(drawn: Drawn, size: Size) -> Footprint:
    if drawn.footprint is not None:
        return drawn.footprint()
    shape = drawn.shape
    if isinstance(shape, Footprint):
        return shape
    if isinstance(shape, Ellipse):
        return ellipse_pixels(shape, size)
    polygon = box_corners(shape) if isinstance(shape, Box) else shape
    assert isinstance(polygon, Polygon)
    return Footprint.of_polygon(polygon, size)


def ellipse_pixels(ellipse: Ellipse, size: Size) -> Footprint:
    """Return the pixels of a picture whose middles lie in an ellipse.

    Raises
    ------
    ControlError
        If there is none.
    """
    around = ellipse_box(ellipse)
    low = np.clip(np.floor([around.x, around.y]), 0, size).astype(int)
    high = np.clip(np.ceil([around.x + around.width, around.y + around.height]), 0, size).astype(int)
    columns, rows = (np.arange(low[axis], high[axis]) + 0.5 for axis in (0, 1))
    right, down = columns[None, :] - ellipse.x, rows[:, None] - ellipse.y
    cosine, sine = np.cos(np.radians(ellipse.rotation)), np.sin(np.radians(ellipse.rotation))
    along, across = (right * cosine + down * sine) / ellipse.radius_x, (down * cosine - right * sine) / ellipse.radius_y
    inside = along**2 + across**2 < 1
    return Footprint.of_mask(inside, x=int(low[0]), y=int(low[1]))


def _polygon(drawn: Drawn, size: Size) -> Polygon:
    shape = drawn.shape
    if isinstance(shape, Footprint):
        ring = outline_of(shape)
        if len(ring) > MAX_CORNERS:
            raise ControlError(f"its outline has {len(ring):,} corners, more than the {MAX_CORNERS:,} that are read")
        return Polygon(ring)
    if isinstance(shape, Ellipse):
        return ellipse_corners(shape)
    if isinstance(shape, Box):
        return box_corners(shape)
    assert isinstance(shape, Polygon)
    return shape


def _inside_box(drawn: Drawn, size: Size) -> Box:
    """The box of what was drawn; a turned one from that of its corners which lies on the picture."""
    shape = drawn.shape
    if not isinstance(shape, Box):
        return drawn.box or _upright(shape)
    if shape.rotation == 0:
        return shape
    for number, (x, y) in enumerate(box_corners(shape).points.tolist()[:OTHER_CORNERS]):
        if 0 <= x <= size[0] and 0 <= y <= size[1]:
            sides = (shape.width, shape.height) if number % 2 == 0 else (shape.height, shape.width)
            return Box(x, y, *sides, (shape.rotation + 90 * number) % 360)
    raise ControlError("no corner of the turned box lies on the picture, as Label Studio needs")


def _upright(shape: Shape) -> Box:
    if isinstance(shape, Footprint):
        return shape.box
    if isinstance(shape, Ellipse):
        return ellipse_box(shape)
    assert isinstance(shape, Polygon)
    return box_around(shape.points)


def _check_on_picture(shape: Shape, size: Size) -> None:
    """Refuse what lies wholly outside the picture, or has no number for a place."""
    if isinstance(shape, Footprint):
        return
    if isinstance(shape, Point):
        low = high = np.array([shape.x, shape.y])
    elif isinstance(shape, Box):
        corners = box_corners(shape).points
        low, high = corners.min(axis=0), corners.max(axis=0)
    else:
        around = _upright(shape)
        low, high = np.array([around.x, around.y]), np.array([around.x + around.width, around.y + around.height])
    if not np.isfinite([low, high]).all():
        raise RegionsError("its numbers must be finite")
    if isinstance(shape, Box | Ellipse):
        sides = (shape.width, shape.height) if isinstance(shape, Box) else (shape.radius_x, shape.radius_y)
        if min(sides) <= 0:
            raise RegionsError(f"its sides must be above 0, not {sides[0]:g} and {sides[1]:g}")
    if not isinstance(shape, Point) and (high <= low).any():
        raise RegionsError("it has no area")
    beyond = ((low > size) | (high < 0)) if isinstance(shape, Point) else ((low >= size) | (high <= 0))
    if beyond.any():
        raise RegionsError(f"it lies outside the picture of {size[0]}x{size[1]} pixels")


def _value(answer: Answer, control: Control) -> Any:
    """Return what the codec of an answering control takes."""
    if control.tag == "Number":
        return _within(answer, control)
    texts = str(answer.value)
    parts = [part.strip() for part in texts.split("|")] if control.multiple else [texts.strip()]
    if control.tag == "Taxonomy":
        return [_path(part, control) for part in parts if part]
    labels = []
    for part in parts:
        label = read_label(part, control)
        if label is None:
            raise RegionsError(f"its class {quote(part)} is no label of {control.name!r}")
        labels.append(label)
    return list(dict.fromkeys(labels))


def _within(answer: Answer, control: Control) -> float:
    try:
        number = float(answer.value)
    except ValueError:
        raise RegionsError(f"{control.name!r} takes a number, not {quote(answer.value)}") from None
    low, high = control.minimum, control.maximum
    if (low is not None and number < low - STEP_TOLERANCE) or (high is not None and number > high + STEP_TOLERANCE):
        raise RegionsError(f"{control.name!r} takes numbers from {low} to {high}, not {number!r}")
    return number


def _path(text: str, control: Control) -> tuple[str, ...]:
    """Return the path that a text means: levels separated by ``/``, or the name of one node alone."""
    path = read_path(tuple(level.strip() for level in text.split("/")), control)
    if path is None or path not in control.paths:
        named = [known for known in control.paths if known[-1].casefold() == text.casefold()]
        if len(named) != 1:
            raise RegionsError(f"its class {quote(text)} is no path of {control.name!r}: levels are separated by /")
        path = named[0]
    return path


def _with_stable_id(region: Region) -> Region:
    """Give a region an id that follows from what it says, so that a second import of a file makes the same."""
    said = json.dumps({key: region[key] for key in ("from_name", "to_name", "value")}, sort_keys=True, separators=(",", ":"))
    return {**region, "id": hashlib.sha256(said.encode()).hexdigest()[:ID_CHARACTERS]}


def unique_ids(regions: Sequence[Region]) -> list[Region]:
    """Return regions whose ids differ: those of equal regions are numbered."""
    times: Counter[str] = Counter()
    unique = []
    for region in regions:
        number = times[region["id"]]
        times[region["id"]] += 1
        unique.append(region if not number else {**region, "id": f"{region['id'][:12]}{number:04d}"})
    return unique

"""Converts the marks and answers of a file to regions of a project's labelling config.

Each shape is assigned to the control that represents it best: a mask to brush strokes or a bitmask, else to an outline, else to
a box or an ellipse. Converted shapes are counted; a shape that no control can represent raises `RegionsError`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np

from sync.controls import CONTROLS, PIXELS, SHAPES, ControlError
from sync.controls.region import Region
from sync.errors.controls import quote
from sync.errors.images import DAMAGE
from sync.geometry.footprint import Footprint
from sync.geometry.shapes import Box, Ellipse, Point, Polygon, Size
from sync.labelling.config import Control, LabelConfig
from sync.labelling.matching import read_label
from sync.regions.answers import answer_value
from sync.regions.marks import Canvas, ImportedAnswer, Mark, PlacedMark, RegionsError, Shape
from sync.regions.region_ids import with_stable_id
from sync.regions.shapes import box_of, check_on_image, ellipse_of, footprint_of, polygon_of

__all__ = ["RegionFitter"]

_KINDS = {Box: "box", Ellipse: "ellipse", Point: "point", Polygon: "polygon", Footprint: "mask", np.ndarray: "mask"}
_TARGETS: dict[type, tuple[type, ...]] = {
    Footprint: (np.ndarray, Polygon, Box, Ellipse),
    Polygon: (Polygon, np.ndarray, Box, Ellipse),
    Ellipse: (Ellipse, np.ndarray, Polygon, Box),
    Box: (Box, Polygon, np.ndarray, Ellipse),
    Point: (Point,),
}
"""Maps a shape to the shapes of controls that can represent it, the best first."""
_CONVERSIONS: dict[type, Callable[[PlacedMark, Size], Shape]] = {Polygon: polygon_of, Box: box_of, Ellipse: ellipse_of}


class RegionFitter:
    """Converts marks and answers to regions for one labelling config.

    Parameters
    ----------
    config : LabelConfig
    control : str, optional
        Name of the control for all objects. Default: chosen by the type of shape.
    label : str, optional
        Class of objects that have none in the file.
    scored : bool
        Whether regions get scores, as those of predictions do.

    Attributes
    ----------
    changed_regions : Counter
        Number of shapes of one kind that became another kind, by (kind, new kind), such as ``("mask", "polygon")``.

    Raises
    ------
    RegionsError
        If the config does not have the control or the label.
    """

    def __init__(self, config: LabelConfig, *, control: str = "", label: str = "", has_scores: bool = True) -> None:
        self._config = config
        self._label = label
        self._has_scores = has_scores
        if control:
            self._controls = [_choose_control(config, control)]
        else:
            self._controls = [
                candidate for candidate in config.controls if candidate.marks_objects and not candidate.only_prompts
            ]
        if label and not any(read_label(label, candidate) for candidate in self._controls):
            raise RegionsError(f"no control of the labelling config has the label {label!r}")
        self.changed_regions: Counter[tuple[str, str]] = Counter()

    def object_region(self, mark: Mark, canvas: Canvas, *, image: str) -> Region:
        """Return the region of a mark on an image.

        Parameters
        ----------
        mark : Mark
        canvas : Canvas
        image : str
            Name of the Image tag.

        Raises
        ------
        RegionsError
            If the mark cannot be placed or lies outside the image, or if the config has no control or label for it.
        """
        try:
            placed_mark = mark.draw(canvas)
            check_on_image(placed_mark.shape, canvas.size)
            return self._encode_mark(mark, placed_mark, canvas.size, image)
        except RegionsError:
            raise
        except ControlError as error:
            raise RegionsError(str(error)) from error
        except DAMAGE as error:  # a library failed on this object; the other objects are still imported
            raise RegionsError(f"the object cannot be drawn ({type(error).__name__}: {error})") from error

    def answer_region(self, answer: ImportedAnswer) -> Region:
        """Return the region of an answer.

        Raises
        ------
        RegionsError
            If the config does not have the control, or the control does not allow the answer.
        """
        control = self._config.control(answer.control)
        if control is None or control.marks_objects:
            raise RegionsError(f"the labelling config has no control {answer.control!r} for an answer about the whole image")
        score = answer.score if self._has_scores else None
        try:
            return with_stable_id(CONTROLS[control.tag].encode(answer_value(answer, control), control=control, score=score))
        except ControlError as error:
            raise RegionsError(str(error)) from error

    def _encode_mark(self, mark: Mark, placed_mark: PlacedMark, size: Size, image: str) -> Region:
        kind = type(placed_mark.shape)
        controls = [control for control in self._controls if image in control.to_names]
        tags = [tag for target in _TARGETS[kind] for tag, codec in SHAPES.items() if codec.SHAPE is target]
        fitting = [control for tag in tags for control in controls if control.tag == tag]
        fitting.sort(key=lambda control: control.name != mark.control)  # the original control first
        if not fitting:
            raise RegionsError(f"the labelling config has no control for a {_KINDS[kind]}: add {' or '.join(tags)}")
        refusals: list[str] = []
        for control in fitting:
            label = self._label_of(mark, control)
            if label is None:
                refusals.append(_explain_missing_label(mark, control))
                continue
            try:
                score = mark.score if self._has_scores else None
                region = _region(placed_mark, control, label, size, score)
            except ControlError as error:
                refusals.append(str(error))
                continue
            became = _KINDS[SHAPES[control.tag].SHAPE]
            if became != _KINDS[kind]:
                self.changed_regions[_KINDS[kind], became] += 1
            return with_stable_id({**region, "to_name": image})
        raise RegionsError(refusals[0])

    def _label_of(self, mark: Mark, control: Control) -> str | None:
        """Return the control's label for a mark; for a mark without a label, `label` or the control's only label."""
        for name in mark.labels:
            if (label := read_label(name, control)) is not None:
                return label
        if mark.labels and not mark.may_be_unlabelled:
            return None
        if self._label:
            return read_label(self._label, control)
        return control.labels[0].value if len(control.labels) == 1 else None


def _choose_control(config: LabelConfig, name: str) -> Control:
    control = config.control(name)
    if control is None or not control.marks_objects:
        names = ", ".join(candidate.name for candidate in config.controls if candidate.marks_objects) or "none"
        raise RegionsError(f"the labelling config has no control {name!r} that marks objects: it has {names}")
    return control


def _explain_missing_label(mark: Mark, control: Control) -> str:
    has = quote([label.value for label in control.labels])
    if mark.labels:
        return f"class {quote(mark.labels[0])} is not a label of {control.name!r}, which has {has}"
    return f"the object has no class, and {control.name!r} has several labels ({has}): name one with --label"


def _region(placed_mark: PlacedMark, control: Control, label: str, size: Size, score: float | None) -> Region:
    """Return a drawn mark as a region of a control, converted to the control's shape."""
    if control.tag in PIXELS:
        part = footprint_of(placed_mark, size)
        return PIXELS[control.tag].encode_footprint(part, control=control, label=label, size=size, score=score)
    codec = SHAPES[control.tag]
    convert = _CONVERSIONS.get(codec.SHAPE)
    shape = placed_mark.shape if convert is None else convert(placed_mark, size)
    return codec.encode(shape, control=control, label=label, size=size, score=score)

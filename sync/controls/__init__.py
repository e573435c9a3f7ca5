"""One module per control tag of Label Studio: its JSON to arrays and back, pure functions.

A tag is added by one file here and one line below. `sync/controls/codec.py` lists what the file offers; everything that the
product asks by tag is in the file, or follows from its `KIND` and `SHAPE`.
"""

from __future__ import annotations

import numpy as np

from sync.controls import (
    bitmasklabels,
    brushlabels,
    choices,
    ellipselabels,
    keypointlabels,
    number,
    polygonlabels,
    rectanglelabels,
    taxonomy,
    vectorlabels,
)
from sync.controls.codec import AnswerCodec, Codec, ObjectCodec, ShapeCodec
from sync.controls.kind import Kind
from sync.errors.controls import ControlError
from sync.geometry.shapes import Polygon

__all__ = ["ANSWERS", "CONTROLS", "MASKS", "OBJECTS", "SHAPES", "Codec", "ControlError", "Kind", "ObjectCodec", "ShapeCodec"]

ANSWERS: dict[str, AnswerCodec] = {
    "Choices": choices,
    "Taxonomy": taxonomy,
    "Number": number,
}
"""Controls that are answered for the whole image."""

OBJECTS: dict[str, ObjectCodec] = {
    "BrushLabels": brushlabels,
    "BitmaskLabels": bitmasklabels,
    "PolygonLabels": polygonlabels,
    "VectorLabels": vectorlabels,
    "RectangleLabels": rectanglelabels,
    "EllipseLabels": ellipselabels,
}
"""Controls that hold objects, the most exact outline first: a prompt is answered in the first that a project has."""

SHAPES: dict[str, ShapeCodec] = {**OBJECTS, "KeyPointLabels": keypointlabels}
"""Controls whose regions lie on the image."""

CONTROLS: dict[str, Codec] = {**ANSWERS, **SHAPES}

MASKS = tuple(tag for tag, codec in OBJECTS.items() if codec.SHAPE in (np.ndarray, Polygon))
"""Tags of controls that hold an object's outline."""

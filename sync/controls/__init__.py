"""Codecs of Label Studio's control tags, one module per tag; they convert between JSON and Python values.

To add a tag, add one module here and one line below. `sync/controls/codec.py` defines the names that the module must have.
Properties that depend on the tag are in that module or follow from its `KIND` and `SHAPE`.
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
"""Controls whose value applies to the whole image."""

OBJECTS: dict[str, ObjectCodec] = {
    "BrushLabels": brushlabels,
    "BitmaskLabels": bitmasklabels,
    "PolygonLabels": polygonlabels,
    "VectorLabels": vectorlabels,
    "RectangleLabels": rectanglelabels,
    "EllipseLabels": ellipselabels,
}
"""Controls for objects, in descending accuracy of the outline: a prompt's region uses the first one that a project has."""

SHAPES: dict[str, ShapeCodec] = {**OBJECTS, "KeyPointLabels": keypointlabels}
"""Controls whose regions have a position on the image."""

CONTROLS: dict[str, Codec] = {**ANSWERS, **SHAPES}
"""All supported controls."""

MASKS = tuple(tag for tag, codec in OBJECTS.items() if codec.SHAPE in (np.ndarray, Polygon))
"""Tags of controls that store an object's mask or outline."""

"""Codecs of Label Studio's control tags, one module per tag; they convert between JSON and Python values.

To add a tag, add one module here and one line below. `sync/controls/codec.py` defines the names that the module must have.
Properties that depend on the tag are in that module or follow from its `KIND` and `SHAPE`.
"""

from __future__ import annotations

from sync.controls import (
    bitmasklabels,
    brushlabels,
    choices,
    ellipselabels,
    keypointlabels,
    number,
    polygonlabels,
    rating,
    rectanglelabels,
    taxonomy,
    vectorlabels,
)
from sync.controls.codec import AnswerCodec, Codec, MaskCodec, NumberCodec, ObjectCodec, ShapeCodec
from sync.controls.kind import Kind
from sync.errors.controls import ControlError
from sync.geometry.shapes import Box, Polygon

__all__ = [
    "ANSWERS",
    "BOXES",
    "CONTROLS",
    "MASKS",
    "NUMBERS",
    "OBJECTS",
    "PIXELS",
    "SHAPES",
    "TAG_OF_TYPE",
    "Codec",
    "ControlError",
    "Kind",
    "ObjectCodec",
    "ShapeCodec",
]

NUMBERS: dict[str, NumberCodec] = {
    "Number": number,
    "Rating": rating,
}
"""Controls whose value is one number."""

ANSWERS: dict[str, AnswerCodec] = {
    "Choices": choices,
    "Taxonomy": taxonomy,
    **NUMBERS,
}
"""Controls whose value applies to the whole image."""

PIXELS: dict[str, MaskCodec] = {
    "BrushLabels": brushlabels,
    "BitmaskLabels": bitmasklabels,
}
"""Controls that store the pixels of objects."""

OBJECTS: dict[str, ObjectCodec] = {
    **PIXELS,
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

MASKS = tuple(tag for tag, codec in OBJECTS.items() if tag in PIXELS or codec.SHAPE is Polygon)
"""Tags of controls that store an object's mask or outline."""

BOXES = tuple(tag for tag, codec in OBJECTS.items() if codec.SHAPE is Box)
"""Tags of controls that store an object's box."""

TAG_OF_TYPE = {tag.lower(): tag for tag in CONTROLS}
"""Maps the type of a region, which is the tag in lower case, to the tag; Label Studio's page ignores the case of tags."""

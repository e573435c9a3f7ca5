"""One module a control tag of Label Studio: its JSON to arrays and back, pure functions.

`CONTROLS[tag].encode(what, control=..., ...)` makes one region of a result, `CONTROLS[tag].decode(region)` reads one;
both raise `ControlError` with a sentence. Shapes are stored in percent of the picture: `decode(region, size=...)` gives them in
pixels of the picture's own `size`, whatever size the region states; without it, in pixels of the stated size.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from sync.controls import (
    brushlabels,
    choices,
    ellipselabels,
    keypointlabels,
    number,
    polygonlabels,
    rectanglelabels,
    taxonomy,
)
from sync.controls.region import Region
from sync.errors.controls import ControlError

__all__ = ["CONTROLS", "Codec", "ControlError"]


class Codec(Protocol):
    """What a module of a tag offers."""

    @property
    def encode(self) -> Callable[..., Region]:
        """Turn an array, a shape or labels into a region."""

    @property
    def decode(self) -> Callable[..., Any]:
        """Turn a region into what `encode` takes, with its labels."""


CONTROLS: dict[str, Codec] = {
    "Choices": choices,
    "Taxonomy": taxonomy,
    "RectangleLabels": rectanglelabels,
    "EllipseLabels": ellipselabels,
    "BrushLabels": brushlabels,
    "PolygonLabels": polygonlabels,
    "KeyPointLabels": keypointlabels,
    "Number": number,
}

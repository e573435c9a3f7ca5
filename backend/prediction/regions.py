"""An object's mask in whatever control a project has for objects: brush, polygons, box or ellipse."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.measure import regionprops

from sync.controls import brushlabels, ellipselabels, polygonlabels, rectanglelabels
from sync.geometry.shapes import Box, Ellipse
from sync.labelling.config import Control

__all__ = ["box_of_mask", "ellipse_of_mask", "regions_of_mask"]


def regions_of_mask(mask: NDArray[np.bool_], *, control: Control, label: str, score: float) -> list[dict[str, Any]]:
    """Write a mask, shape (height, width), as regions of `control`; an empty mask gives none."""
    if not mask.any():
        return []
    size = (mask.shape[1], mask.shape[0])
    if control.tag == "BrushLabels":
        return [brushlabels.encode(mask, control=control, label=label, score=score, size=size)]
    if control.tag == "PolygonLabels":
        return list(polygonlabels.encode_mask(mask, control=control, label=label, score=score, size=size))
    if control.tag == "RectangleLabels":
        return [rectanglelabels.encode(box_of_mask(mask), control=control, label=label, score=score, size=size)]
    return [ellipselabels.encode(ellipse_of_mask(mask), control=control, label=label, score=score, size=size)]


def box_of_mask(mask: NDArray[np.bool_]) -> Box:
    """The upright box around a mask that is not empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    left, top = int(columns[0]), int(rows[0])
    return Box(left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top)


def ellipse_of_mask(mask: NDArray[np.bool_]) -> Ellipse:
    """The ellipse with the second moments of a mask that is not empty; its area is the mask's where that is an ellipse."""
    properties = regionprops(mask.astype(np.uint8))[0]
    row, column = properties.centroid
    # regionprops measures from the row axis, counter-clockwise; Label Studio from the x axis, clockwise.
    rotation = (90 - np.degrees(properties.orientation)) % 180
    return Ellipse(
        column + 0.5,
        row + 0.5,
        max(properties.axis_major_length / 2, 0.5),
        max(properties.axis_minor_length / 2, 0.5),
        float(rotation),
    )
